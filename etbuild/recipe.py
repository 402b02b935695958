"""A recipe as data, read from YAML, checked and resolved. It touches no model and imports no compiler."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from etbuild.boards import Board
from etbuild.errors import Problem, RecipeError
from etbuild.targets import Target


@dataclass(frozen=True)
class InputSpec:
    """One input of the model, made from a seed or read from a file.

    shape: as the model takes it, batch included; empty with `file`.
    dtype: a torch name: float32, int8, int32, int64, bool...
    low, high: range of the uniform random values, the model's own unit.
    """

    shape: tuple[int, ...] = ()
    dtype: str = "float32"
    low: float = -1.0
    high: float = 1.0
    seed: int = 0
    file: Path | None = None


@dataclass(frozen=True)
class Model:
    """Where the model comes from: exactly one of source, entry alone, builtin, program.

    source:  a .py that defines ModelUnderTest and ModelInputs, or the factory that `entry` names.
    entry:   "module:function" (importable from the project), or "function" beside `source`; it returns
             (module, inputs).
    builtin: a name of executorch.examples.models.
    program: an exported .pt2.
    weights: .safetensors, or a .pt state_dict.
    inputs:  in place of the model's own example inputs.
    """

    source: Path | None = None
    entry: str | None = None
    builtin: str | None = None
    program: Path | None = None
    weights: Path | None = None
    inputs: tuple[InputSpec, ...] = ()


@dataclass(frozen=True)
class DynamicDim:
    """One dynamic axis of one input: position of the input, axis, name, bounds (both included)."""

    input: int
    axis: int
    name: str
    low: int
    high: int


@dataclass(frozen=True)
class Export:
    strict: bool = True
    dynamic_shapes: tuple[DynamicDim, ...] = ()


@dataclass(frozen=True)
class Data:
    """Samples on disk: .npy, .npz, .pt, or a folder of such files, in the order of their names.

    An array's first axis counts samples; each sample is reshaped to the model's input. .npz: `input_0`,
    `input_1`... (or any single name) and, optionally, `labels` ([samples], integer classes).
    samples: how many to take, from the start; None takes all.
    seed:    when set, take a random choice of that many instead.
    data:    None means random samples like the example inputs.
    """

    data: Path | None = None
    samples: int | None = None
    seed: int | None = None


@dataclass(frozen=True)
class Rule:
    """One exception of the quantisation: `kind` is module_name, module_type or operator."""

    kind: str
    match: str
    scheme: str


@dataclass(frozen=True)
class Quantize:
    """scheme: int8, int16x8 or none. io: float32, int8 or uint8 at the model's border."""

    scheme: str = "int8"
    per_channel: bool = True
    calibration: Data = field(default_factory=Data)
    rules: tuple[Rule, ...] = ()
    io: str = "float32"


@dataclass(frozen=True)
class Golden:
    """What may differ. lsb: steps of the output's grid between delegate and PyTorch integers; atol and
    rtol: quantised against float model, None reports without judging; accuracy: least share of right labels."""

    lsb: int = 0
    atol: float | None = None
    rtol: float | None = None
    accuracy: float | None = None


@dataclass(frozen=True)
class Header:
    """symbol: C identifier; alignment: bytes, a power of two; section: linker section or None."""

    symbol: str = "model_pte"
    alignment: int = 16
    section: str | None = None
    bytes_per_line: int = 12


@dataclass(frozen=True)
class Pte:
    """What is written beside model.pte: model.bpte, model.etrecord, model.ptd."""

    bundled_io: bool = False
    etrecord: bool = False
    external_weights: bool = False


@dataclass(frozen=True)
class Runtime:
    """The firmware that is built. npu: ethosu or emulator. prefix: of an installed ExecuTorch, with that engine."""

    board: Board
    engine: str
    npu: str
    stack_bytes: int
    prefix: Path | None = None


@dataclass(frozen=True)
class Run:
    """on: where it runs: host, qemu, fvp, auto or none. timeout_s: seconds for all vectors together.
    fvp: the FVP's program where it is not on PATH. timing_adapters: of an FVP."""

    on: str = "host"
    timeout_s: float = 60.0
    fvp: Path | None = None
    timing_adapters: bool = True


@dataclass(frozen=True)
class Recipe:
    """One recipe, resolved: nothing is implicit any more.

    name:    the file's name without .yaml.
    files:   the files it was read from: itself, what it extends, Vela config files and the board of the user's.
    env:     the environment variables that its paths name, with their values.
    """

    name: str
    files: tuple[Path, ...]
    model: Model
    targets: tuple[Target, ...]
    export: Export = field(default_factory=Export)
    quantize: Quantize = field(default_factory=Quantize)
    vectors: Data = field(default_factory=Data)
    golden: Golden = field(default_factory=Golden)
    header: Header = field(default_factory=Header)
    pte: Pte = field(default_factory=Pte)
    runtime: Runtime | None = None
    run: Run = field(default_factory=Run)
    env: tuple[tuple[str, str], ...] = ()

    @property
    def profiles(self) -> tuple[str, ...]:
        """The lowering profiles of its targets, each once, in order of first use."""
        return tuple(dict.fromkeys(target.profile for target in self.targets))


def load(path: Path, root: Path, environ: Mapping[str, str]) -> Recipe:
    """The recipe in one file.

    root:    the project's folder; paths in the recipe are relative to it where they lie in it, else absolute.
    environ: the environment, for `~`, `$NAME` and `${NAME}` in paths.
    raises:  RecipeError with every problem of the file and of what it extends.
    """
    return _load(path, root, lambda name: environ.get(name) or None)


def load_all(root: Path) -> tuple[Recipe, ...]:
    """Every recipe of a project, by name: recipes/*.yaml but those whose name starts with `_`.

    raises: RecipeError with every problem of every recipe.
    """
    from etbuild.tools import variable

    recipes: list[Recipe] = []
    problems: dict[Problem, None] = {}
    folder = root / "recipes"
    for path in sorted([*folder.glob("[!_.]*.yaml"), *folder.glob("[!_.]*.yml")]):
        try:
            recipes.append(_load(path, root, variable))
        except RecipeError as error:
            problems |= dict.fromkeys(error.problems)
    if problems:
        raise RecipeError(tuple(problems))
    return tuple(recipes)


def _load(path: Path, root: Path, variable: Callable[[str], str | None]) -> Recipe:
    from etbuild.extends import read_chain
    from etbuild.faults import Faults, Place, quoted
    from etbuild.paths import ProjectPaths
    from etbuild.recipe_reader import read_recipe
    from etbuild.schema import schema_file
    from etbuild.schema_check import check
    from etbuild.view import Reading

    faults = Faults()
    paths = ProjectPaths(root, variable)
    file = paths.shown(Path.cwd() / path)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*\.yaml", file.name):
        remedy = "its name is part of task and folder names: letters, digits, _, . and -"
        faults.add(Place(file, 0, 0), (), f"the file name {quoted(file.name)}", "NAME.yaml", remedy)
    chain = read_chain(file, paths, faults)
    recipe = None
    if chain.root is not None:
        bad = check(chain.root, schema_file("recipe"), faults)
        recipe = read_recipe(file.stem, chain.root, chain.files, Reading(faults, paths, bad))
    faults.check(chain.files)
    assert recipe is not None, "a recipe without faults was read"
    return recipe
