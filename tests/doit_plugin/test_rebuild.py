"""Which steps run again after which change: real recipes, real plan, real doit, steps done by fake_step.py.

The steps of the project, in order: export, quantize, lower, golden, vela, pte, header, report.
"""

import json
import mmap
import os
import time
from pathlib import Path

import pytest
from built_project import ALL, RECIPE, VARIANT, FakeProject, rebuilt

from etbuild.build_engine.step_sources import StepSources
from etbuild.hardware.board import BOARDS
from etbuild.steps.kinds import KINDS
from etbuild.system.digests import AT_REST_NS, Digests

FIRMWARE = {"firmware:net@ethos-u55-128", "run:net@ethos-u55-128"}


def test_nothing_changed(project: FakeProject) -> None:
    """No process is started, and every line ends with "up to date"."""
    done = project.doit()

    assert project.ran() == set()
    assert {line.split()[0] for line in done.stdout.splitlines() if line.endswith("up to date")} == ALL


def test_content_changed_under_the_same_mtime(project: FakeProject) -> None:
    """Size and mtime as before, content not: what a restored backup or a fast editor does."""
    data = project.root / "recipes/data/calibration.npz"
    times = data.stat()
    data.write_bytes(b"SAMPLES")
    os.utime(data, ns=(times.st_atime_ns, times.st_mtime_ns))

    assert rebuilt(project) == ALL - {"export:net"}


def test_doit_always_finds_an_edit_through_an_open_mapping(project: FakeProject) -> None:
    """A store into a page that is dirty already changes no time of the file, so that only reading it shows the edit."""
    data = project.root / "recipes/data/calibration.npz"
    with data.open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        mapped[0:1] = b"S"
        time.sleep(2 * AT_REST_NS / 1e9)
        rebuilt(project)
        before = data.stat()
        mapped[0:1] = b"Z"
        if data.stat().st_ctime_ns != before.st_ctime_ns:
            pytest.skip("this file system has noticed the store")
        unnoticed = rebuilt(project)
        always = rebuilt(project, "-a")
    os.utime(data)

    assert (unnoticed, always) == (set(), ALL)
    assert rebuilt(project) == set()


def test_mtime_changed_and_content_did_not(project: FakeProject) -> None:
    """A checkout or a touch rebuilds nothing."""
    for file in (project.root / "recipes").rglob("*.*"):
        os.utime(file)

    assert rebuilt(project) == set()


def test_a_comment_and_the_order_of_keys_in_the_recipe(project: FakeProject) -> None:
    """YAML that means the same is the same."""
    head, targets = RECIPE.split("targets:\n")
    project.recipe.write_text("# Another comment.\ntargets:\n" + targets + head)

    assert rebuilt(project) == set()


def test_a_setting_of_one_step(project: FakeProject) -> None:
    """The memory mode is Vela's: nothing before vela runs again."""
    project.recipe.write_text(RECIPE.replace("Shared_Sram", "Sram_Only"))
    why = project.doit("why", "build:net")

    assert rebuilt(project) == VARIANT | {"report:net"}
    assert "vela:net@ethos-u55-128 runs\n    memory_mode: Shared_Sram -> Sram_Only\n" in why.stdout
    assert {line.split()[0] for line in why.stdout.splitlines() if " runs" in line} == VARIANT | {"report:net"}


def test_another_variant(project: FakeProject) -> None:
    """Export, quantisation and lowering are shared: they do not run again."""
    second = RECIPE[RECIPE.index("  - npu") :].replace("128", "256")
    project.recipe.write_text(RECIPE + second)

    assert rebuilt(project) == {f"{kind}:net@ethos-u55-256" for kind in ("vela", "pte", "header", "run")} | {
        "report:net"
    }


def test_a_matrix_shares_all_that_comes_before_vela(project: FakeProject) -> None:
    """Another goal of Vela's, another arena: one run of Vela and of pte each, and of nothing else."""
    modes = "[Shared_Sram, Sram_Only]\n    vela: {optimise: [Performance, Size], arena_cache_size: [100000, 200000]}"
    project.recipe.write_text(RECIPE.replace("Shared_Sram", modes))
    ran = [name.partition(":")[0] for name in rebuilt(project, "sweep:net")]

    assert {kind: ran.count(kind) for kind in set(ran)} == {"vela": 8, "pte": 8, "sweep": 1}


def test_a_sweep_builds_no_more_than_it_compares(tmp_path: Path) -> None:
    """And is no part of a build: `test_nothing_changed` has ALL without it."""
    project = FakeProject(tmp_path)
    compared = {"export:net", "quantize:net@tosa-u55", "lower:net@tosa-u55"}
    compared |= {"vela:net@ethos-u55-128", "pte:net@ethos-u55-128", "sweep:net"}

    assert rebuilt(project, "sweep:net") == compared


def test_a_comment_in_a_board_file(tmp_path: Path) -> None:
    """The firmware and its run depend on what the file says, not on its bytes; of a change why names the key."""
    project = FakeProject(tmp_path)
    board = tmp_path / "recipes/boards/mine.yaml"
    board.parent.mkdir()
    text = (BOARDS / "qemu-mps3-an547.yaml").read_text()
    board.write_text(text)
    project.recipe.write_text(f"{RECIPE}runtime: {{board: boards/mine.yaml}}\n")
    assert rebuilt(project) >= FIRMWARE

    board.write_text(f"# Another comment.\n{text.replace(': ', ':   ')}")
    after_comment = rebuilt(project)
    board.write_text(text.replace("clock_hz: 32000000", "clock_hz: 16000000"))
    why = project.doit("why", "firmware:net")

    assert after_comment == set()
    cpu = '{"core": "cortex-m55", "clock_hz": %d, "cache_line": 32, "counter": "systick"}'
    assert why.stdout == f"firmware:net@ethos-u55-128 runs\n    board_line: cpu: {cpu % 32e6} -> cpu: {cpu % 16e6}\n"
    assert rebuilt(project) >= FIRMWARE


def test_a_comment_in_a_board_that_comes_with_etbuild(tmp_path: Path) -> None:
    """Its file is no source of a step: what it says is on the step's command line, as for a user's board."""
    sources = StepSources(Digests(tmp_path, tmp_path / "digests.json"), tmp_path / "sources.json")

    for kind in ("firmware", "run"):
        read = sources.of(KINDS[kind].module)
        assert "hardware/boards.py" in read
        assert not [file for file in read if file.startswith("hardware/boards/") or file == "hardware/boards"]


def test_the_limits_of_a_sweep_are_settings_of_its_step(project: FakeProject) -> None:
    """Other limits run it again, equal ones in another spelling do not, though doit itself reads A=B as a variable."""
    rebuilt(project, "sweep:net", "--fit", "SRAM=2M,FLASH=4M")
    why = project.doit("why", "sweep:net", "--fit", "SRAM=1M")

    assert why.stdout == "sweep:net runs\n    fit: SRAM=2M,FLASH=4M -> SRAM=1M\n"
    assert rebuilt(project, "sweep:net", "--fit=FLASH=4096K,SRAM=2048K") == set()
    assert rebuilt(project, "sweep:net", "--fit", "SRAM=1M") == {"sweep:net"}


def test_a_tool_of_another_version(project: FakeProject) -> None:
    """Only the steps that use it, and those whose inputs changed after them."""
    project.environment["FAKE_VERSIONS"] = json.dumps({"ethos-u-vela": "6.0.0"})
    why = project.doit("why", "vela:net")

    ran = rebuilt(project)

    assert "vela:net@ethos-u55-128" in ran
    assert not ran & {"export:net", "quantize:net@tosa-u55"}
    assert "    ethos-u-vela: 1.0 -> 6.0.0\n" in why.stdout


def test_the_source_of_a_step(project: FakeProject) -> None:
    """An etbuild whose vela step was other code: its record is not valid any more."""
    record = project.root / "build/.etbuild/steps/vela.net@ethos-u55-128.json"
    record.write_text(record.read_text().replace('"steps/vela.py": "', '"steps/vela.py": "0'))
    why = project.doit("why", "vela:net")

    assert rebuilt(project) == {"vela:net@ethos-u55-128"}
    assert "    source of steps/vela.py: " in why.stdout


def test_a_file_that_the_model_imports(tmp_path: Path) -> None:
    """Discovered while exporting, an input from then on; its removal is a change too."""
    project = FakeProject(tmp_path)
    (tmp_path / "recipes/models/blocks.py").write_text("1")
    project.behave({"imports": ["recipes/models/blocks.py"]})
    time.sleep(0.06)
    rebuilt(project)

    (tmp_path / "recipes/models/blocks.py").write_text("2")
    why = project.doit("why", "export:net")

    assert rebuilt(project, "export:net") == {"export:net"}
    assert "    imported recipes/models/blocks.py: " in why.stdout
    assert rebuilt(project, "export:net") == set()


def test_an_output_that_was_deleted(project: FakeProject) -> None:
    """It comes back with the same content, so nothing after it runs."""
    before = project.outputs()
    (project.root / "build/net/tosa-u55/quantized.pt2").unlink()

    assert rebuilt(project) == {"quantize:net@tosa-u55"}
    assert project.outputs() == before


def test_an_output_that_was_edited(project: FakeProject) -> None:
    """Each file in build/ is what its step wrote, or the step runs."""
    before = project.outputs()
    (project.root / "build/net/ethos-u55-128/model.pte").write_bytes(b"mine")

    assert rebuilt(project) == {"pte:net@ethos-u55-128"}
    assert project.outputs() == before


@pytest.mark.parametrize(
    ("lost", "damaged", "steps"),
    [
        (["tosa-u55/quantized.pt2"], [], {"quantize:net@tosa-u55"}),
        ([], ["ethos-u55-128/model.pte"], {"pte:net@ethos-u55-128"}),
        (["ethos-u55-128/vela/0.bin"], ["export/exported.pt2"], {"export:net", "vela:net@ethos-u55-128"}),
        (
            ["tosa-u55/lowered.bin", "ethos-u55-128/manifest.json"],
            ["tosa-u55/golden.npz", "ethos-u55-128/model.pte"],
            {"lower:net@tosa-u55", "golden:net@tosa-u55", "pte:net@ethos-u55-128"},
        ),
    ],
)
def test_why_names_exactly_the_steps_that_write_lost_outputs_again(
    project: FakeProject, lost: list[str], damaged: list[str], steps: set[str]
) -> None:
    """Steps that read them get what they had: they stay up to date, and why does not name them."""
    for name in lost:
        (project.root / "build/net" / name).unlink()
    for name in damaged:
        (project.root / "build/net" / name).write_bytes(b"mine")

    why = project.doit("why", "build:net")

    assert {line for line in why.stdout.splitlines() if not line.startswith(" ")} == {f"{step} runs" for step in steps}
    assert rebuilt(project) == steps


def test_why_tells_a_lost_output_from_a_changed_setting(project: FakeProject) -> None:
    """What reads the lost one alone stays up to date; what reads the other's new output may run."""
    project.recipe.write_text(RECIPE.replace("Shared_Sram", "Sram_Only"))
    (project.root / "build/net/tosa-u55/lowered.bin").unlink()

    why = project.doit("why", "build:net").stdout

    first = [line for line in why.splitlines() if not line.startswith(" ")]
    assert first[:2] == ["lower:net@tosa-u55 runs", "vela:net@ethos-u55-128 runs"]
    assert "header:net@ethos-u55-128 runs if its input changes\n    input from pte:net@ethos-u55-128\n" in why
    assert {line.split()[0] for line in first} == rebuilt(project)


def test_an_output_with_the_same_content_causes_no_further_runs(project: FakeProject) -> None:
    """Early cut-off: a changed model that exports to the same program rebuilds nothing more."""
    project.behave({"export:net": "constant"})
    project.doit("-a", "export:net")
    rebuilt(project)
    (project.root / "recipes/models/net.py").write_text("# the same model, written otherwise")

    assert rebuilt(project) == {"export:net"}


def test_a_recipe_that_was_removed(project: FakeProject) -> None:
    """Its tasks are gone, with a hint; `doit clean` removes its outputs."""
    (project.root / "recipes/other.yaml").write_text(RECIPE)
    rebuilt(project)
    (project.root / "recipes/other.yaml").unlink()
    unknown = project.doit("build:other")
    rest = rebuilt(project)
    project.doit("clean", "build")

    assert unknown.returncode == 2
    assert "build:other: got no such task" in unknown.stderr
    assert rest == set()
    assert not (project.root / "build/other").exists()
    assert (project.root / "build/net/report.json").exists()


def test_forget_and_always(project: FakeProject) -> None:
    """doit's own words keep their meaning."""
    project.doit("forget", "header:net")
    forgotten = rebuilt(project)
    always = rebuilt(project, "-a", "vela:net@ethos-u55-128")

    assert forgotten == {"header:net@ethos-u55-128"}
    assert "vela:net@ethos-u55-128" in always


def test_the_loss_of_doits_database_rebuilds_nothing(project: FakeProject) -> None:
    """Our own records contain what ran."""
    (project.root / "build/.etbuild/doit.json").unlink()

    assert rebuilt(project) == set()
