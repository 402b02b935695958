"""`etbuild compare`: what it takes for a build, its formats, its conditions, and its exit codes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from etbuild.cli import compared_sides
from etbuild.cli.main import main
from etbuild.report.conditions import condition
from etbuild.system.files import sha256

FILES = Path(__file__).parents[1] / "pte" / "files"
REPORT = {"sram": 2000, "dram": 0, "on_chip_flash": 0, "off_chip_flash": 500}


def layer(name: str, cycles: int, operator: str = "Conv2D") -> dict[str, Any]:
    return {"name": name, "operator": operator, "cycles": {"total": cycles}, "macs": 10}


def write_build(folder: Path, **changed: Any) -> None:
    """A variant's folder with what `compare` reads. changed: sram, layers, npu, accuracy, pte."""
    folder.mkdir(parents=True)
    (folder.parent / "tosa-u55").mkdir(exist_ok=True)
    npu = changed.get("npu", "ethos-u55-128")
    pte = FILES / changed.get("pte", "linear_u55.pte")
    shutil.copy(pte, folder / "model.pte")
    memory = {"planned_bytes": [64], "constant_bytes": 0, "scratch_bytes": 128, "fast_scratch_bytes": 0}
    manifest = {
        "recipe": "net",
        "variant": folder.name,
        "pte": {"file": "model.pte", "bytes": pte.stat().st_size, "sha256": sha256(pte)},
        "target": {"npu": npu, "memory_mode": "Shared_Sram"},
        "settings": {"quantize": ["--scheme", "int8"]},
        "tools": {"etbuild": "0.1.0", "torch": changed.get("torch", "2.13.0")},
        "digests": {"build/net/tosa-u55/lowered.bin": "c" * 64, "model.py": "d" * 64},
        "operators": {"cpu": [{"operator": "aten::add.out", "border": False, "count": 1}], "npu_share": 0.5},
        "memory": {**memory, "weight_bytes": 500, "command_bytes": 100},
        "macs": 10,
    }
    layers = changed.get("layers", [layer("a", 1000), layer("#1", 50, "Add")])
    cycles = sum(one["cycles"]["total"] for one in layers)
    total = {
        "memory_bytes": {**REPORT, "sram": changed.get("sram", 2000)},
        "cycles": {"total": cycles},
        "inference_time_s": cycles / 1e6,
    }
    vela = {"total": total, "delegates": [{"delegate": 0, "layers": layers}]}
    accuracy = {"float": 1.0, "quantized": 1.0, "reference": changed.get("accuracy", 1.0)}
    golden = {"outputs": [{"lsb": {"max": 1.0}}], "accuracy": accuracy}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "vela.json").write_text(json.dumps(vela))
    (folder.parent / "tosa-u55/golden.json").write_text(json.dumps(golden))


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


Output = Callable[..., str]


@pytest.fixture
def output(capsys: pytest.CaptureFixture[str]) -> Output:
    def run(*arguments: str, code: int = 0) -> str:
        assert main(["compare", *arguments]) == code
        return capsys.readouterr().out

    return run


def test_two_builds_are_compared_figure_by_figure_and_layer_by_layer(output: Output) -> None:
    """The whole text. A layer that Vela has added is found again by its operator."""
    write_build(Path("build/one/ethos-u55-128"))
    faster = [layer("a", 600), layer("#7", 60, "Add"), layer("b", 5)]
    write_build(Path("build/two/ethos-u55-256"), npu="ethos-u55-256", sram=2100, layers=faster, accuracy=0.5)

    assert (
        output("one@ethos-u55-128", "build/two")
        == """\
A  one@ethos-u55-128
B  build/two@ethos-u55-256
npu: ethos-u55-128 -> ethos-u55-256

                 A         B        change
sram         2,000     2,100        +5.0 %
time      1.050 ms  0.665 ms       -36.7 %
cycles       1,050       665       -36.7 %
accuracy     100 %    50.0 %  -50.0 points
equal: pte, dram, flash, planned, scratch, fast_scratch, weights, commands, constants, macs, npu_share, cpu_operators, \
float_accuracy, error
time, cycles: Vela's estimates, not measured

layers that gained, of 3 (cycles, Vela's estimate):
    a  Conv2D  1,000  600  -400 (-40 %)

layers that lost, of 3 (cycles, Vela's estimate):
    #7     Add    50  60  +10 (+20 %)
    b   Conv2D  none   5          new
"""
    )


def test_a_build_is_equal_to_itself(output: Output) -> None:
    write_build(Path("build/net/ethos-u55-128"))

    assert output("net", "build/net/ethos-u55-128/manifest.json") == (
        "A  net@ethos-u55-128\nB  build/net/ethos-u55-128/manifest.json  ethos-u55-128\nno difference\n"
    )
    assert "No difference." in output("net", "net", "--format", "markdown")
    assert "<p>No difference.</p>" in output("net", "net", "--format", "html")


def test_programs_alone_are_compared_with_their_command_streams(output: Output) -> None:
    """No manifest: sizes, operators, and what changed in the operations."""
    for name in ("linear_u65_256.pte", "linear_u65_512.pte"):
        shutil.copy(FILES / name, name)

    found = json.loads(output("linear_u65_256.pte", "linear_u65_512.pte", "--format", "json"))

    (pair,) = found["pairs"]
    assert pair["settings"] == [{"name": "npu", "before": "ethos-u65-256", "after": "ethos-u65-512"}]
    assert {one["name"] for one in pair["figures"]} >= {"pte", "planned", "scratch", "weights", "commands"}
    (stream,) = pair["streams"]
    registers = {one["register"] for change in stream["changes"] for one in change["registers"]}
    assert stream["operations"]["before"] and registers
    assert "command stream 0: " in output("linear_u65_256.pte", "linear_u65_512.pte")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("sram>+4%", 1),
        ("sram>+5%", 0),
        ("sram>=+5%", 1),
        ("sram > +99", 1),
        ("sram>+0.1K", 0),
        ("sram>2K", 1),
        ("time>0.5ms", 1),
        ("time<-30%", 1),
        ("cycles>+1%", 0),
        ("accuracy<95%", 1),
        ("accuracy<-0.6", 0),
    ],
)
def test_a_condition_that_holds_ends_with_exit_code_1(text: str, code: int, output: Output) -> None:
    """Of the change with a sign, in percent or in units; of B without."""
    write_build(Path("build/one/ethos-u55-128"))
    write_build(Path("build/two/ethos-u55-128"), sram=2100, layers=[layer("a", 600)], accuracy=0.5)

    printed = output("one", "two", "--fail-if", "dram>1G", "--fail-if", text, code=code)

    assert (f"fails: {text}: " in printed) == bool(code)


def test_any_growth_from_nothing_is_more_than_any_share() -> None:
    """DRAM of 0 before has no percentage."""
    figure = {"before": 0, "after": 1, "change": 1, "relative": None}

    assert condition("dram>+500%").holds(figure)
    assert not condition("dram>+500%").holds({**figure, "after": 0, "change": 0})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("srm>+5%", "--fail-if: got 'srm', wanted one of pte, sram, "),
        ("sram", "--fail-if: got 'sram', wanted FIGURE, one of > >= < <=, and a value: 'sram>+5%' or "),
        ("sram=5", "--fail-if: got 'sram=5', wanted FIGURE, one of > >= < <=, and a value: "),
    ],
)
def test_a_wrong_condition_is_a_usage_error(text: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With the names of all figures, before anything is read."""
    assert main(["compare", "a", "b", "--fail-if", text]) == 2

    assert capsys.readouterr().err.startswith(message)


def test_a_condition_that_cannot_be_decided_fails(capsys: pytest.CaptureFixture[str]) -> None:
    """A gate on what nobody has measured must not pass."""
    write_build(Path("build/one/ethos-u55-128"))

    assert main(["compare", "one", "one", "--fail-if", "code>+5%"]) == 1

    message = (
        "--fail-if 'code>+5%': got no code of one@ethos-u55-128, wanted it in both builds\n    they have pte, sram, "
    )
    assert capsys.readouterr().err.startswith(message)


@pytest.mark.parametrize(
    ("side", "message"),
    [
        ("nothing", "nothing: got no build, wanted a folder of build/, a manifest.json, a .pte, "),
        ("empty", "empty: got no manifest.json in it or below it, wanted a build\n"),
        ("empty/manifest.json", "empty/manifest.json: got another format, wanted the manifest.json of a .pte and "),
        ("v1:net", "v1:net: got no git repository in "),
    ],
)
def test_what_is_no_build_is_refused(side: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2."""
    Path("empty").mkdir()
    if side.endswith(".json"):
        Path(side).write_text("{}")

    assert main(["compare", side, side]) == 2

    assert capsys.readouterr().err.startswith(message)


def test_a_pte_that_is_not_its_manifests_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """The figures would be those of another program."""
    write_build(Path("build/one/ethos-u55-128"))
    shutil.copy(FILES / "linear_cpu.pte", "build/one/ethos-u55-128/model.pte")

    assert main(["compare", "one", "one"]) == 2

    assert "build/one/ethos-u55-128/model.pte: got " in capsys.readouterr().err


def test_markdown_of_many_variants_fits_one_screen(output: Output) -> None:
    """A row a variant that changed, a mark at changes of 1 % and more; variants of one side alone are named."""
    for number in range(30):
        write_build(Path(f"build/one/v{number:02}"))
        write_build(Path(f"build/two/v{number:02}"), sram=2000 + 30 * (number % 15))
    write_build(Path("build/two/alone"))

    lines = output("one", "two", "--format", "markdown", "--fail-if", "sram>+20%", code=1).splitlines()

    assert len(lines) <= 40
    assert lines[:3] == ["### `one` → `two`", "", "**Fails:** sram>+20%: sram of v14 2,000 -> 2,420 (+21.0 %)"]
    assert "| v01 | 2,030 (+1.5 %) ⚠️ |" in lines
    assert "2 variants without a difference." in lines
    assert lines[-1] == "only in B: alone"


def test_markdown_of_one_variant_fits_one_screen(output: Output) -> None:
    """Whatever changed."""
    names = [f"layer_{number}" for number in range(60)]
    write_build(Path("build/one/ethos-u55-128"), layers=[layer(name, 1000) for name in names], pte="linear_u65_256.pte")
    layers = [layer(name, 900 + 5 * number) for number, name in enumerate(names)]
    settings = {"npu": "ethos-u65-512", "pte": "linear_u65_512.pte", "torch": "2.14.0", "accuracy": 0.9, "sram": 1}
    write_build(Path("build/two/ethos-u55-128"), layers=layers, **settings)

    lines = output("one", "two", "--format", "markdown", "--output", "comment.md") or Path("comment.md").read_text()

    assert len(lines.splitlines()) <= 40
    assert "Layers that gained (cycles, Vela's estimate): `layer_0` -100 (-10 %), `layer_1` -95 (-10 %)" in lines
    assert "Changed: npu ethos-u55-128 → ethos-u65-512; torch 2.13.0 → 2.14.0" in lines


def test_other_networks_have_no_layer_in_common(output: Output) -> None:
    """Names of tensors may be equal: with another operator it is another layer. A large growth is a factor."""
    write_build(Path("build/one/ethos-u55-128"), layers=[layer("a", 10, "Add")])
    write_build(Path("build/two/ethos-u55-128"), layers=[layer("a", 5000), layer("b", 1)])

    lines = output("one", "two").splitlines()

    assert "    a  Conv2D  none  5,000  new" in lines
    assert "    a  Add  10  none  gone" in lines
    assert "cycles        10     5,001  500 times" in lines


def test_a_file_that_cannot_be_written_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    write_build(Path("build/one/ethos-u55-128"))

    assert main(["compare", "one", "one", "--output", "no/where.md"]) == 2

    wanted = "--output: got no/where.md: No such file or directory, wanted a file that can be written\n"
    assert capsys.readouterr().err == wanted


def test_html_is_one_page_without_script_or_network(output: Output) -> None:
    """Text of the builds is escaped."""
    write_build(Path("build/one/ethos-u55-128"))
    write_build(Path("build/two/ethos-u55-128"), layers=[layer("<script>", 5)], torch="<b>")

    page = output("one", "two", "--format", "html")

    assert page.startswith("<!doctype html>\n")
    assert "<script" not in page and "<b>" not in page and "http" not in page
    assert "&lt;script&gt;" in page and "&lt;b&gt;" in page


def test_layers_have_their_modules_where_layers_json_has_them(output: Output) -> None:
    """And their exactness, in the JSON."""
    for name, cycles in (("one", 1000), ("two", 900)):
        write_build(Path(f"build/{name}/ethos-u55-128"), layers=[layer("a", cycles)])
        row = {
            "name": "features.0",
            "npu": [{"delegate": 0, "tensor": "a"}],
            "errors": {"executed_to_float": {"sqnr_db": 40.5}},
        }
        Path(f"build/{name}/ethos-u55-128/layers.json").write_text(json.dumps({"layers": [row]}))

    assert "    features.0 (a)  Conv2D  1,000  900  -100 (-10 %)\n" in output("one", "two")
    (pair,) = json.loads(output("one", "two", "--format", "json"))["pairs"]
    assert pair["layers"][0]["sqnr_db"] == {"before": 40.5, "after": 40.5}


def test_a_revision_is_built_in_a_worktree_of_its_own(
    output: Output, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its .pte and its expected outputs, by doit; nothing of it remains."""
    from test_reproduce import git

    (tmp_path / "dodo.py").write_text("")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "dodo.py")
    git(tmp_path, "commit", "-q", "-m", "one")
    write_build(Path("build/net/ethos-u55-128"), sram=2200)
    built: list[tuple[Path, tuple[str, ...]]] = []

    def build(folder: Path, tasks: tuple[str, ...]) -> None:
        built.append((folder, tasks))
        write_build(folder / "build/net/ethos-u55-128")

    monkeypatch.setattr(compared_sides, "build", build)

    printed = output("HEAD:net@ethos-u55-128", "net", "--fail-if", "sram>+9%", code=1)

    ((folder, tasks),) = built
    assert "fails: sram>+9%: sram of ethos-u55-128 2,000 -> 2,200 (+10.0 %)\n" in printed
    assert tasks == ("pte:net@ethos-u55-128", "golden:net")
    assert folder != tmp_path and not folder.exists()
    assert git(tmp_path, "worktree", "list").count("\n") == 0
