"""The command `etbuild`: its output and its exit codes."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from interrupted_import import at_import_of

from etbuild.cli import new
from etbuild.cli.main import main
from etbuild.config.schemas import schema_file

FILES = Path(__file__).parents[1] / "pte" / "files"


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def show(name: str, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    shutil.copy(FILES / name, name)
    assert main(["inspect", name, *options]) == 0
    return capsys.readouterr().out


def test_inspect_shows_a_program_for_the_npu(capsys: pytest.CaptureFixture[str]) -> None:
    """The whole output."""
    assert (
        show("linear_u85_segment.pte", capsys)
        == """\
linear_u85_segment.pte
  ExecuTorch program (.pte), 2,992 bytes, ET12, version 0
  extended header: program 2,008 bytes, segments 944 bytes at 2048
    0000  3c 00 00 00 45 54 31 32 65 68 30 30 20 00 00 00  <...ET12eh00 ...
    0010  d8 07 00 00 00 00 00 00 00 08 00 00 00 00 00 00  ................
    0020  b0 03 00 00 00 00 00 00 00 00 00 00 10 00 18 00  ................
    0030  00 00 14 00 10 00 0c 00 08 00 04 00 10 00 00 00  ................
method forward: 3 instructions, 2 kernels, 1 delegate call
  input 0: float32 [1, 4], 16 bytes, as int8 scale 0.00783930719 zero point 0
  output 0: float32 [1, 3], 12 bytes, as int8 scale 0.00230391673 zero point 127
  planned memory 1: 32 bytes
  on the CPU: cortex_m::quantize_per_tensor.out, 1 call, at a model input or output
  on the CPU: cortex_m::dequantize_per_tensor.out, 1 call, at a model input or output
  delegate 0: EthosUBackend, 944 bytes, segment 1 at 2048, 1 call
    tosa_spec: TOSA-1.0+INT+int16+int4+cf
    compile_flags: --accelerator-config=ethos-u85-256 --config=Arm/vela.ini --output-format=raw \
--system-config=Ethos_U85_SYS_DRAM_Mid --memory-mode=Sram_Only
    output_format: vela
    preserve_io_quantization: False
    target: ethos-u85-256
    compiled for ethos-u85-256: CONFIG 0x20000118, architecture 2.0.0
    commands: 75 command words, 332 bytes, COP1
    weights: 272 bytes
    scratch: 32 bytes
    input 0: [1, 1, 1, 1, 1, 4] of 1 byte at scratch + 16
    output 0: [1, 1, 1, 1, 1, 3] of 1 byte at scratch + 0
segment 0: 0 bytes at 2048, 0 constants
segment 1: 944 bytes at 2048, delegate 0 of forward
"""
    )


def test_inspect_recognises_a_bundle(capsys: pytest.CaptureFixture[str]) -> None:
    """And shows the program in it."""
    lines = show("linear_cpu.bpte", capsys).splitlines()

    assert lines[:5] == [
        "linear_cpu.bpte",
        "  bundled program (.bpte), 1,920 bytes, version 2",
        "  1 test case for method forward",
        "  its program: 1,596 bytes at 64, ET12",
        "  extended header: program 1,456 bytes, segments 60 bytes at 1536",
    ]
    assert lines[-1] == "segment 0: 60 bytes at 1600, 2 constants"


def test_inspect_recognises_named_data(capsys: pytest.CaptureFixture[str]) -> None:
    """Weights that are stored outside of a program."""
    assert show("weights.ptd", capsys) == (
        "weights.ptd\n"
        "  named data (.ptd), 352 bytes, version 0\n"
        "  4fc87f7aa29718d9e251afb20950df53781281d21a532e895e949d6ec65c4dc7: 96 bytes at 256, bytes\n"
    )


def test_inspect_shows_which_weights_are_external(capsys: pytest.CaptureFixture[str]) -> None:
    """By their key in the .ptd."""
    assert (
        "    weight_data is stored outside, under 4fc87f7aa29718d9e251afb20950df53781281d21a532e895e949d6ec65c4dc7\n"
        in show("linear_external.pte", capsys)
    )


def test_inspect_gives_json(capsys: pytest.CaptureFixture[str]) -> None:
    """Every delegate of a program with two."""
    found = json.loads(show("two_parts_u55.pte", capsys, "--json"))

    assert [
        (delegate["stream"]["npu"], delegate["stream"]["weights_bytes"])
        for delegate in found["methods"][0]["delegates"]
    ] == [("ethos-u55-64", 176), ("ethos-u55-64", 96)]


def test_inspect_rejects_a_file_that_is_no_program(own_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line, exit code 1."""
    (own_folder / "x.pte").write_bytes(b"hello, world")

    assert main(["inspect", "x.pte"]) == 1
    assert capsys.readouterr().err == (
        "x.pte: byte 4: identifier: got b'o, w', wanted an ExecuTorch program, b'ET12'\n"
    )


def test_inspect_of_an_absent_file_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2."""
    assert main(["inspect", "x.pte"]) == 2
    assert capsys.readouterr().err == "x.pte: got 'No such file or directory', wanted a file that can be read\n"


def test_inspect_prints_no_control_characters(own_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A name in the file cannot control the terminal."""
    data = (FILES / "linear_cpu.pte").read_bytes().replace(b"aten::addmm", b"aten::\x1b[2Jm")
    (own_folder / "x.pte").write_bytes(data)

    assert main(["inspect", "x.pte"]) == 0
    assert "on the CPU: aten::\\x1b[2Jm.out" in capsys.readouterr().out


def test_a_closed_pipe_is_no_error() -> None:
    """etbuild inspect ... | head -1."""
    command = f"{sys.executable} -m etbuild.cli.main inspect {FILES}/linear_u55.pte | head -c 1"

    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")


def test_an_unknown_command_is_wrong_usage() -> None:
    """Exit code 2, which is argparse's too."""
    with pytest.raises(SystemExit) as caught:
        main(["frobnicate"])

    assert caught.value.code == 2


def test_help_imports_nothing_heavy() -> None:
    """No module of a command: neither the recipes nor a reader, let alone numpy."""
    code = (
        "import sys\nfrom etbuild.cli.main import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
        "print([name for name in sys.modules if name.startswith(('etbuild.', 'yaml', 'numpy', 'json'))])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "['etbuild.cli', 'etbuild.errors', 'etbuild.cli.main']"


def test_new_writes_a_recipe_and_a_model(own_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And prints the next steps, in a folder that is no project yet."""
    assert main(["new", "my-net", "--npu", "ethos-u85-256"]) == 0

    assert capsys.readouterr().out == (
        "wrote recipes/my-net.yaml\n"
        "wrote recipes/models/my_net.py\n"
        "wrote dodo.py\n"
        "wrote .gitignore\n"
        "wrote schemas/recipe.schema.json\n"
        "next: doit build:my-net\n"
    )


def test_the_written_dodo_is_that_of_this_project() -> None:
    """Another project needs no other lines."""
    ours = (Path(__file__).parents[2] / "dodo.py").read_text()
    lines, new_lines = (ast.unparse(ast.Module(ast.parse(text).body[1:], [])) for text in (ours, new.DODO))

    assert new_lines == lines


@pytest.mark.parametrize("npu", ["ethos-u55-128", "ethos-u65-512", "ethos-u85-1024"])
def test_a_new_recipe_is_valid(own_folder: Path, npu: str) -> None:
    """It loads, and names its system config and memory mode."""
    from etbuild.hardware.npus import catalog
    from etbuild.recipe.load import load_all

    main(["new", "a.b", "--npu", npu])

    (recipe,) = load_all(own_folder)
    family = catalog().npus[npu].family
    assert [(target.npu, target.system_config, target.memory_mode) for target in recipe.targets] == [
        (npu, family.system_config, family.memory_mode)
    ]
    assert (recipe.model.source, recipe.header.symbol) == (Path("recipes/models/a_b.py"), "model_a_b")


def test_new_uses_an_existing_model(own_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file is unchanged, in any folder; nothing that is there is written or mentioned."""
    from etbuild.recipe.load import load_all

    (own_folder / "dodo.py").touch()
    (own_folder / ".gitignore").write_text("/build/\n")
    (own_folder / "schemas").mkdir()
    shutil.copy(schema_file("recipe"), own_folder / "schemas")
    (own_folder / "nets").mkdir()
    (own_folder / "nets" / "my net.py").write_text("mine")

    assert main(["new", "x", "--model", "nets/my net.py"]) == 0
    assert capsys.readouterr().out == "wrote recipes/x.yaml\nnext: doit build:x\n"
    assert (own_folder / "nets" / "my net.py").read_text() == "mine"
    assert load_all(own_folder)[0].model.source == Path("nets/my net.py")


def test_new_overwrites_nothing(own_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the recipe exists, the model is not written either."""
    (own_folder / "recipes").mkdir()
    (own_folder / "recipes" / "x.yaml").write_text("mine")

    assert main(["new", "x"]) == 2
    assert capsys.readouterr().err == (
        "recipes/x.yaml: got a file that exists, wanted a new name; nothing was overwritten\n"
    )
    assert (own_folder / "recipes" / "x.yaml").read_text() == "mine"
    assert not (own_folder / "recipes" / "models").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["../x"], 'NAME: got "../x", wanted letters, digits, _, . and -, beginning with a letter or digit\n'),
        (["x", "--model", "x.pt"], '--model: got "x.pt", wanted a .py file\n'),
        (
            ["x", "--npu", "ethos-u55-129"],
            '--npu: got "ethos-u55-129", wanted one of ethos-u55-32, ethos-u55-64, ethos-u55-128, ethos-u55-256, '
            "ethos-u65-256, ethos-u65-512, ethos-u85-128, ethos-u85-256, ethos-u85-512, ethos-u85-1024, "
            "ethos-u85-2048, none\n    did you mean ethos-u55-128?\n",
        ),
    ],
)
def test_new_reports_wrong_arguments(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, and nothing is written."""
    assert main(["new", *words]) == 2
    assert capsys.readouterr().err == message
    assert list(Path().iterdir()) == []


@pytest.mark.e2e
def test_the_model_of_a_new_recipe_exports(own_folder: Path) -> None:
    """It follows ExecuTorch's convention."""
    main(["new", "x"])
    code = (
        "import runpy, torch\n"
        "found = runpy.run_path('recipes/models/x.py')\n"
        "print(tuple(found['ModelUnderTest'](*found['ModelInputs']).shape))\n"
        "torch.export.export(found['ModelUnderTest'], found['ModelInputs'])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "(1, 10)\n"


def test_ctrl_c_is_no_traceback(tmp_path: Path) -> None:
    """One line, and the exit code of an interrupted program."""
    interrupted = at_import_of("etbuild.cli.inspect", tmp_path / "site")
    command = [sys.executable, "-m", "etbuild.cli.main", "inspect", str(FILES / "linear_u55.pte")]

    done = subprocess.run(command, env=interrupted, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (130, "", "\ninterrupted\n")
