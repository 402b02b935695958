"""A recipe as data, checked and resolved; etbuild.recipe.load makes it from YAML."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from etbuild.hardware.boards import Board
    from etbuild.hardware.targets import Target


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
    fvp: the FVP's program where it is not on PATH. timing_adapters: of an FVP. tolerance: how far float outputs may be
    from golden's, as a part of the largest magnitude among them; 0 asks for the same bits."""

    on: str = "host"
    timeout_s: float = 60.0
    fvp: Path | None = None
    timing_adapters: bool = True
    tolerance: float = 0.0


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
