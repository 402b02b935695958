"""A valid recipe becomes data with every default filled in."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from etbuild.hardware.target import Target, Vela
from etbuild.recipe.data_sections import Calibration, Golden, Quantize, Rule, Vectors
from etbuild.recipe.load import load, load_all
from etbuild.recipe.model_sections import DynamicDim, Export, InputSpec, Model
from etbuild.recipe.output_sections import Header, Pte
from etbuild.recipe.recipe import Recipe
from etbuild.recipe.runtime_sections import Run

U55 = Target("ethos-u55-128", "ethos-u55-128", "tosa-u55", "Ethos_U55_High_End_Embedded", "Shared_Sram")
NEEDED = "model: {source: net.py}\ntargets: [{npu: ethos-u55-128}]\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with the files that the recipes below name."""
    for name in ("net.py", "net.pt2", "net.safetensors", "x.npy", "d.npz", "samples/a.npy"):
        file = tmp_path / "recipes" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    return tmp_path


def recipe(project: Path, text: str, name: str = "net.yaml", **environ: str) -> Recipe:
    file = project / "recipes" / name
    file.write_text(text)
    return load(file, project, environ)


def test_defaults_are_filled_in(project: Path) -> None:
    """The whole result for the smallest recipe."""
    assert recipe(project, NEEDED) == Recipe(
        name="net",
        files=(Path("recipes/net.yaml"),),
        model=Model(source=Path("recipes/net.py")),
        targets=(U55,),
        export=Export(strict=True, dynamic_shapes=()),
        quantize=Quantize("int8", True, Calibration(), (), "float32"),
        vectors=Vectors(),
        golden=Golden(lsb=None, atol=None, rtol=None, accuracy=None),
        header=Header(symbol="net_pte", alignment=16, section=None, bytes_per_line=12),
        pte=Pte(False, False, False),
        run=Run("host", 60.0),
        env=(),
    )


@pytest.mark.parametrize(("board", "kernels"), [("imx93-evk", "-dsp"), ("corstone-320", ""), ("", "")])
def test_what_falls_back_to_the_cpu_is_planned_for_the_boards_core(project: Path, board: str, kernels: str) -> None:
    """The Cortex-M33 of an i.MX 93 has other kernels than a Cortex-M55, which is assumed where no board is named."""
    npu = "ethos-u85-256" if board == "corstone-320" else "ethos-u65-256"
    runtime = f"runtime: {{board: {board}}}\n" if board else ""
    text = f"model: {{source: net.py}}\ntargets: [{{npu: {npu}, fallback: cortex_m}}]\n{runtime}"

    (target,) = recipe(project, text).targets

    assert target.profile == f"tosa-{'u85' if '85' in npu else 'u55'}-cortex-m{kernels}"


EVERY_KEY = """\
model:
  source: net.py
  entry: make
  weights: net.safetensors
  inputs:
    - {shape: [1, 2], dtype: int8, range: [-5, 6], seed: 7}
    - {shape: [], range: [0, 0.5]}
    - {shape: [3], dtype: bool}
    - file: x.npy
export: {strict: false}
quantize:
  scheme: int16x8
  per_channel: false
  calibration: {data: samples, samples: 64, seed: 3}
  rules:
    - {module_name: head, scheme: none}
    - {module_type: torch.nn.Linear, scheme: int8}
    - {operator: aten.add.Tensor, scheme: int16x8}
  io: uint8
targets:
  - npu: ethos-u85-256
    system_config: Ethos_U85_SYS_DRAM_Low
    memory_mode: Dedicated_Sram_512KB
    vela: {optimise: Size, arena_cache_size: 4096, flags: [--verbose-performance, --max-block-dependency=2]}
vectors: {data: d.npz, samples: 16}
golden: {lsb: 2, atol: 0.5, rtol: 1e-3, accuracy: 1}
header: {symbol: weights, alignment: 64, section: .rodata.model, bytes_per_line: 32}
pte: {bundled_io: true, etrecord: true, external_weights: true}
run: {on: none, timeout_s: 2.5, memory_limit: 3 GiB}
"""
EVERY_VALUE = Recipe(
    name="net",
    files=(Path("recipes/net.yaml"),),
    model=Model(
        source=Path("recipes/net.py"),
        entry="make",
        weights=Path("recipes/net.safetensors"),
        inputs=(
            InputSpec((1, 2), "int8", (-5.0, 6.0), 7),
            InputSpec((), "float32", (0.0, 0.5)),
            InputSpec((3,), "bool", (0, 1)),
            InputSpec(file=Path("recipes/x.npy")),
        ),
    ),
    targets=(
        Target(
            "ethos-u85-256",
            "ethos-u85-256",
            "tosa-u85",
            "Ethos_U85_SYS_DRAM_Low",
            "Dedicated_Sram_512KB",
            Vela(None, "Size", 4096, ("--verbose-performance", "--max-block-dependency=2")),
        ),
    ),
    export=Export(strict=False),
    quantize=Quantize(
        "int16x8",
        False,
        Calibration(Path("recipes/samples"), 64, 3),
        (
            Rule(module_name="head", scheme="none"),
            Rule(module_type="torch.nn.Linear", scheme="int8"),
            Rule(operator="aten.add.Tensor", scheme="int16x8"),
        ),
        "uint8",
    ),
    vectors=Vectors(Path("recipes/d.npz"), 16),
    golden=Golden(2, 0.5, 0.001, 1.0),
    header=Header("weights", 64, ".rodata.model", 32),
    pte=Pte(True, True, True),
    run=Run("none", 2.5, memory_limit=3 << 30),
)


def test_every_key_reaches_the_recipe(project: Path) -> None:
    """All keys of the schema except those that exclude one another."""
    assert recipe(project, EVERY_KEY) == EVERY_VALUE


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("{builtin: add}", Model(builtin="add")),
        ("{program: net.pt2}", Model(program=Path("recipes/net.pt2"))),
        ("{entry: models.net:make}", Model(entry="models.net:make")),
        ("{source: net.py, entry: make}", Model(source=Path("recipes/net.py"), entry="make")),
    ],
)
def test_a_model_comes_from_one_of_four_sources(project: Path, model: str, expected: Model) -> None:
    """source, with or without a factory; builtin; program; a factory alone."""
    assert recipe(project, f"model: {model}\ntargets: {{npu: ethos-u55-128}}\n").model == expected


def test_dynamic_shapes_are_allowed_without_an_npu(project: Path) -> None:
    """The portable kernels accept any shape within the bounds."""
    text = """\
model: {source: net.py, inputs: [{shape: [1, 4]}]}
targets: [{npu: none}]
quantize: {scheme: none}
export: {dynamic_shapes: [{input: 0, axis: 0, name: batch, range: [1, 8]}]}
"""

    found = recipe(project, text)

    assert (found.export.dynamic_shapes, found.targets) == (
        (DynamicDim(0, 0, "batch", (1, 8)),),
        (Target("cpu", "none", "cpu"),),
    )


def test_a_processor_computes_in_integers_so_its_run_tolerates_nothing(project: Path) -> None:
    """The portable kernels compute in floating point, whose last bits differ between machines."""
    targets = "model: {{source: net.py}}\ntargets: [{{npu: none{}}}]\n"

    in_integers, in_float = (recipe(project, targets.format(cpu)) for cpu in (", cpu: cortex-m55", ""))

    assert in_integers.targets == (Target("cortex-m55", "none", "cortex-m-mve", cpu="cortex-m55"),)
    assert (in_integers.run.tolerance, in_float.run.tolerance > 0) == (0.0, True)


def test_scheme_none_is_allowed_on_an_npu_when_a_rule_quantises_something(project: Path) -> None:
    """The rest stays on the CPU."""
    text = NEEDED + "quantize: {scheme: none, rules: [{module_name: body, scheme: int8}]}\n"

    assert recipe(project, text).quantize == Quantize("none", rules=(Rule(module_name="body", scheme="int8"),))


@pytest.mark.parametrize("quantize", ["{scheme: int8}", "{scheme: int16x8}"])
def test_without_a_limit_pytorchs_simulation_may_differ(project: Path, quantize: str) -> None:
    """The difference is reported; a recipe can limit it."""
    assert recipe(project, NEEDED + f"quantize: {quantize}\n").golden.lsb is None
    assert recipe(project, NEEDED + f"quantize: {quantize}\ngolden: {{lsb: 0}}\n").golden.lsb == 0


@pytest.mark.parametrize(
    ("name", "symbol"), [("kws-v1.2.yaml", "kws_v1_2_pte"), ("2nd.yaml", "model_2nd_pte"), ("mnist.yaml", "mnist_pte")]
)
def test_the_headers_symbol_comes_from_the_recipes_name(project: Path, name: str, symbol: str) -> None:
    """Whatever the file is called, the symbol is a C identifier."""
    assert recipe(project, NEEDED, name).header.symbol == symbol


def test_paths_expand_home_and_variables_and_record_them(
    project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A changed variable makes the cached plan invalid; a path outside the project stays absolute."""
    home = tmp_path_factory.mktemp("home")
    for name in ("w.pt", "da$ta.npy"):
        (home / name).touch()
    text = """\
model: {source: ../recipes/./net.py, weights: ~/w.pt}
targets: [{npu: ethos-u55-128}]
vectors: {data: "${DATA}/da$$ta.npy"}
quantize: {calibration: {data: $HERE/d.npz}}
"""

    found = recipe(project, text, HOME=str(home), DATA=str(home), HERE=str(project / "recipes"), OTHER="x")

    assert (found.model.source, found.model.weights, found.vectors.data, found.quantize.calibration.data) == (
        Path("recipes/net.py"),
        home / "w.pt",
        home / "da$ta.npy",
        Path("recipes/d.npz"),
    )
    assert found.env == (("DATA", str(home)), ("HERE", str(project / "recipes")), ("HOME", str(home)))


def test_extends_merges_maps_and_replaces_the_rest(project: Path) -> None:
    """Three files; a path is relative to the file that contains it; null removes a key."""
    (project / "common").mkdir()
    (project / "common" / "deep.npz").touch()
    (project / "common" / "_ground.yaml").write_text(
        "vectors: {data: deep.npz, samples: 8}\nquantize: {scheme: int16x8, rules: [{operator: add, scheme: none}]}\n"
    )
    (project / "recipes" / "_base.yaml").write_text(
        "extends: ../common/_ground.yaml\nmodel: {source: net.py, weights: net.safetensors}\ngolden: {lsb: 3}\n"
        "quantize: {rules: [{operator: mul, scheme: none}]}\n"
    )
    text = (
        "extends: _base.yaml\nmodel: {weights: null}\ntargets: {npu: ethos-u55-128}\n"
        "quantize: {io: int8}\nvectors: {samples: 2}\n"
    )

    found = recipe(project, text)

    assert found == Recipe(
        name="net",
        files=(Path("recipes/net.yaml"), Path("recipes/_base.yaml"), Path("common/_ground.yaml")),
        model=Model(source=Path("recipes/net.py")),
        targets=(U55,),
        quantize=Quantize("int16x8", rules=(Rule(operator="mul", scheme="none"),), io="int8"),
        vectors=Vectors(Path("common/deep.npz"), 2),
        golden=Golden(lsb=3),
        header=Header(symbol="net_pte"),
    )


def test_a_vela_config_file_is_one_of_the_recipes_files(project: Path) -> None:
    """The plan depends on it: it decides whether the target is legal."""
    (project / "recipes" / "board.ini").write_text(
        "[System_Config.Board]\naxi0_port=Sram\naxi1_port=OffChipFlash\n"
        "[Memory_Mode.Shared]\nconst_mem_area=Axi1\narena_mem_area=Axi0\ncache_mem_area=Axi0\n"
    )
    text = """\
model: {source: net.py}
targets: [{npu: ethos-u55-128, system_config: Board, memory_mode: Shared, vela: {ini: board.ini}}]
"""

    found = recipe(project, text)

    assert found.files == (Path("recipes/net.yaml"), Path("recipes/board.ini"))
    assert found.targets[0].vela == Vela(ini=Path("recipes/board.ini"))


def test_all_recipes_of_a_project_are_loaded_by_name_and_abstract_ones_are_not(project: Path) -> None:
    """A file whose name starts with _ can only be extended."""
    (project / "recipes" / "_base.yaml").write_text("golden: {lsb: 1}\n")
    for name in ("b", "a"):
        (project / "recipes" / f"{name}.yaml").write_text(NEEDED)

    assert [found.name for found in load_all(project)] == ["a", "b"]


def test_a_project_without_recipes_has_none(tmp_path: Path) -> None:
    """A missing folder is no error: doit then has nothing to do."""
    assert load_all(tmp_path) == ()


def test_profiles_are_listed_once_in_order_of_first_use(project: Path) -> None:
    """U55 and U65 are lowered together."""
    text = "model: {source: net.py}\ntargets: {npu: [ethos-u85-256, ethos-u55-128, ethos-u65-256, none]}\n"

    assert recipe(project, text).profiles == ("tosa-u85", "tosa-u55", "cpu")


def test_importing_the_recipe_module_imports_neither_yaml_nor_jsonschema() -> None:
    """Listing tasks from a cached plan does not pay for reading recipes."""
    code = (
        "import sys, etbuild.recipe.recipe; "
        "print({'yaml', 'jsonschema', 'configparser', 'torch', 'numpy', 'difflib'} & set(sys.modules))"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "set()\n"
