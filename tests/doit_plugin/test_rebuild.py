"""What runs again after what change: real recipes, real plan, real doit, steps done by a stand-in.

The steps of the project below, in order: export, quantize, lower, golden, vela, pte, header, report.
"""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from built_project import ALL, RECIPE, VARIANT, FakeProject, rebuilt


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that has been built once, to be copied."""
    made = FakeProject(tmp_path_factory.mktemp("template"))
    assert rebuilt(made) == ALL
    return made.root


@pytest.fixture
def project(template: Path, tmp_path: Path) -> FakeProject:
    """A project that has been built, in a folder of its own."""
    return FakeProject(Path(shutil.copytree(template, tmp_path / "project")))


def test_nothing_changed(project: FakeProject) -> None:
    """No process is started, and every line says so."""
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
    """Another goal of Vela's, another arena: one run of Vela and one join each, and only those."""
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


def test_the_limits_of_a_sweep_are_settings_of_its_step(project: FakeProject) -> None:
    """Others run it again, the same in other words do not; doit's own reading of A=B does not get in the way."""
    rebuilt(project, "sweep:net", "--fit", "SRAM=2M,FLASH=4M")
    why = project.doit("why", "sweep:net", "--fit", "SRAM=1M")

    assert why.stdout == "sweep:net runs\n    fit: SRAM=2M,FLASH=4M -> SRAM=1M\n"
    assert rebuilt(project, "sweep:net", "--fit=FLASH=4096K,SRAM=2048K") == set()
    assert rebuilt(project, "sweep:net", "--fit", "SRAM=1M") == {"sweep:net"}


def test_a_bad_limit_of_a_sweep_is_a_message_and_exit_code_2(project: FakeProject) -> None:
    """Before anything runs."""
    done = project.doit("sweep:net", "--fit", "ROM=2M")

    assert done.returncode == 2
    assert done.stderr.startswith('--fit: got "ROM=2M", wanted each of PTE, SRAM, DRAM, FLASH at most once')
    assert project.ran() == set()


def test_a_tool_of_another_version(project: FakeProject) -> None:
    """Only the steps that use it, and what changed after them."""
    project.environment["FAKE_VERSIONS"] = json.dumps({"ethos-u-vela": "6.0.0"})
    why = project.doit("why", "vela:net")

    ran = rebuilt(project)

    assert "vela:net@ethos-u55-128" in ran
    assert not ran & {"export:net", "quantize:net@tosa-u55"}
    assert "    ethos-u-vela: 1.0 -> 6.0.0\n" in why.stdout


def test_the_source_of_a_step(project: FakeProject) -> None:
    """An etbuild whose vela step was other code: its record no longer fits."""
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
    """It comes back, the same, and so nothing after it runs."""
    before = project.outputs()
    (project.root / "build/net/tosa-u55/quantized.pt2").unlink()

    assert rebuilt(project) == {"quantize:net@tosa-u55"}
    assert project.outputs() == before


def test_an_output_that_was_tampered_with(project: FakeProject) -> None:
    """What stands in build/ is what the step wrote, or the step runs."""
    before = project.outputs()
    (project.root / "build/net/ethos-u55-128/model.pte").write_bytes(b"mine")

    assert rebuilt(project) == {"pte:net@ethos-u55-128"}
    assert project.outputs() == before


def test_an_output_that_stays_the_same_stops_the_wave(project: FakeProject) -> None:
    """Early cut-off: a changed model that exports to the same program rebuilds nothing more."""
    project.behave({"export:net": "constant"})
    project.doit("-a", "export:net")
    rebuilt(project)
    (project.root / "recipes/models/net.py").write_text("# the same model, said otherwise")

    assert rebuilt(project) == {"export:net"}


@pytest.mark.parametrize(
    ("how", "first_line"),
    [
        ("fail", "lower:net@tosa-u55 ended with exit code 1"),
        ("die", "lower:net@tosa-u55 was killed by SIGKILL"),
        ("nothing", "lower:net@tosa-u55: its command ended well but did not write build/net/tosa-u55/lowered.bin"),
    ],
)
def test_a_step_that_fails_midway(project: FakeProject, how: str, first_line: str) -> None:
    """Exit code 1, the reason said once, nothing half in build/, and the next build goes on from there."""
    before = project.outputs()
    (project.root / "recipes/data/calibration.npz").write_bytes(b"other samples")
    project.behave({"lower:net@tosa-u55": how})
    done = project.doit()
    failed = project.ran()
    after = project.outputs()
    project.behave({})

    assert done.returncode == 1
    assert done.stdout.count(first_line) == 1
    assert "Traceback" not in done.stdout + done.stderr
    assert failed == {"quantize:net@tosa-u55", "lower:net@tosa-u55"}
    assert {name for name in after if after[name] != before[name]} == {
        name for name in before if name.startswith("build/net/tosa-u55/quanti")
    }
    assert rebuilt(project) == ALL - {"export:net", "quantize:net@tosa-u55"}


def test_a_machine_that_lacks_a_tool_is_exit_code_3(project: FakeProject) -> None:
    """So that a script can tell a broken model from a machine without a compiler."""
    (project.root / "recipes/models/net.py").write_text("# new")
    project.behave({"export:net": "lack"})

    assert project.doit().returncode == 3


def test_a_step_that_hangs_ends_with_doit(project: FakeProject) -> None:
    """Ctrl-C kills the step with its children; what was complete is kept."""
    (project.root / "recipes/models/net.py").write_text("# new")
    project.behave({"quantize:net@tosa-u55": "hang"})
    process = subprocess.Popen(project.command(), cwd=project.root, env=project.environment, stdout=subprocess.DEVNULL)
    wait_for(project, "quantize:net@tosa-u55")
    process.send_signal(signal.SIGINT)
    code = process.wait(timeout=20)
    project.behave({})

    assert code == 130
    assert project.ran() == {"export:net", "quantize:net@tosa-u55"}
    assert list((project.root / "build/.etbuild/sandbox").iterdir()) == []
    assert rebuilt(project) == ALL - {"export:net"}


def test_doit_killed_with_sigkill_loses_only_the_running_step(project: FakeProject) -> None:
    """No half files, nothing to clean by hand, nothing complete is built again."""
    (project.root / "recipes/models/net.py").write_text("# new")
    project.behave({"quantize:net@tosa-u55": "hang"})
    process = subprocess.Popen(project.command(), cwd=project.root, env=project.environment, stdout=subprocess.DEVNULL)
    wait_for(project, "quantize:net@tosa-u55")
    process.kill()
    process.wait()
    project.behave({})
    project.ran()

    assert rebuilt(project) == ALL - {"export:net"}
    assert rebuilt(project) == set()


def test_a_recipe_that_was_removed(project: FakeProject) -> None:
    """Its tasks are gone, with a hint; `doit clean` removes what it left."""
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


@pytest.mark.parametrize("builds", [2, 8])
def test_builds_of_one_checkout_at_once(project: FakeProject, builds: int) -> None:
    """Each step runs once, all builds end well."""
    (project.root / "recipes/models/net.py").write_text("# new")
    project.behave({"export:net": "wait", "lower:net@tosa-u55": "wait"})

    codes = built_at_once([project] * builds)

    assert codes == [0] * builds
    assert project.ran() == ALL


@pytest.mark.parametrize("builds", [2, 8])
def test_builds_of_many_checkouts_at_once_share_one_cache(tmp_path: Path, builds: int) -> None:
    """Each step runs once in all of them together, and all have the same bytes."""
    projects = [FakeProject(tmp_path / f"checkout{number}") for number in range(builds)]
    for project in projects:
        shared = {"ETBUILD_CACHE": str(tmp_path / "store"), "FAKE_RAN": str(projects[0].root / "ran")}
        project.environment |= shared

    codes = built_at_once(projects)

    assert codes == [0] * builds
    assert projects[0].ran() == ALL
    assert [project for project in projects if project.outputs() != projects[0].outputs()] == []


def built_at_once(projects: list[FakeProject]) -> list[int]:
    """The exit codes of builds that begin together."""
    processes = [
        subprocess.Popen(one.command("-n", "2"), cwd=one.root, env=one.environment, stdout=subprocess.DEVNULL)
        for one in projects
    ]
    return [process.wait() for process in processes]


def test_parallel_steps_give_the_same_bytes(project: FakeProject) -> None:
    """doit -n 2."""
    before = project.outputs()
    project.doit("clean")
    cleaned = project.outputs()

    assert rebuilt(project, "-n", "2") == ALL
    assert cleaned == {}
    assert project.outputs() == before


@pytest.mark.parametrize("command", ["run", "why"])
def test_whoever_reads_the_lines_may_leave(project: FakeProject, command: str) -> None:
    """As `head` does: no traceback, and the exit code of a process that SIGPIPE ended."""
    project.doit("forget")
    process = subprocess.Popen(
        project.command(command),
        cwd=project.root,
        env=project.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.close()

    assert process.wait() == 128 + signal.SIGPIPE
    assert process.stderr is not None and process.stderr.read() == b""


def test_forget_and_always(project: FakeProject) -> None:
    """doit's own words keep their meaning."""
    project.doit("forget", "header:net")
    forgotten = rebuilt(project)
    always = rebuilt(project, "-a", "vela:net@ethos-u55-128")

    assert forgotten == {"header:net@ethos-u55-128"}
    assert "vela:net@ethos-u55-128" in always


def test_a_database_of_doit_that_was_lost_rebuilds_nothing(project: FakeProject) -> None:
    """What ran is known from our own records."""
    (project.root / "build/.etbuild/doit.json").unlink()

    assert rebuilt(project) == set()


def test_a_full_disk(project: FakeProject) -> None:
    """A message, exit code 1, and the next build goes on."""
    (project.root / "recipes/models/net.py").write_text("# new")
    before = project.outputs()
    small = {**project.environment, "FAKE_DISK": "full"}
    done = subprocess.run(project.command(), cwd=project.root, env=small, capture_output=True, text=True, check=False)
    project.ran()

    assert done.returncode == 1
    assert "No space left on device" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert project.outputs() == before
    assert rebuilt(project) == ALL


def test_a_broken_recipe_is_a_message_and_exit_code_2(project: FakeProject) -> None:
    """No traceback of doit's, and nothing runs."""
    project.recipe.write_text(RECIPE.replace("int8", "int9"))
    done = project.doit()

    assert done.returncode == 2
    assert 'recipes/net.yaml:5:11: quantize.scheme: got "int9"' in done.stderr
    assert "Traceback" not in done.stderr


def wait_for(project: FakeProject, name: str) -> None:
    file = project.root / "ran"
    while not (file.exists() and name in file.read_text().split()):
        time.sleep(0.01)
