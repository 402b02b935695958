"""Running one step: alone, whole outputs or none, at most once at a time."""

import fcntl
import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import fake_project
import pytest

from etbuild.build_engine.step import Step
from etbuild.build_engine.workspace import Workspace
from etbuild.errors import MissingTool, StepError

STEP = Step("export:r", ("--x", "1"), (Path("model.py"),), (Path("build/r/a.bin"), Path("build/r/folder")))


@pytest.fixture
def space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A project with one input; FAKE_CONTROL is empty."""
    monkeypatch.setenv("FAKE_CONTROL", str(tmp_path / "control.json"))
    monkeypatch.setenv("FAKE_RAN", str(tmp_path / "ran"))
    (tmp_path / "control.json").write_text("{}")
    (tmp_path / "model.py").write_text("one")
    return fake_project.workspace(str(tmp_path / "dodo.py"))


def behave(space: Workspace, how: str) -> None:
    (space.root / "control.json").write_text(json.dumps({STEP.name: how}))


def test_a_step_writes_its_outputs_and_is_then_up_to_date(space: Workspace) -> None:
    """The second run does nothing."""
    first = space.run(STEP)
    second = space.run(STEP)

    assert (first.how, second.how) == ("ran", "up to date")
    assert (space.root / "build/r/a.bin").is_file()
    assert (space.root / "build/r/folder/0.bin").is_file()


def test_a_forced_step_runs_though_nothing_changed(space: Workspace) -> None:
    """doit -a."""
    space.run(STEP)

    assert str(space.run(STEP, forced=True).why[0]) == "asked for"


def test_an_output_of_the_same_content_is_left_as_it_stands(space: Workspace) -> None:
    """Its times stay, so that nothing after it stirs."""
    behave(space, "constant")
    space.run(STEP)
    before = (space.root / "build/r/a.bin").stat()

    (space.root / "model.py").write_text("two")
    space.digests.forget("model.py")
    outcome = space.run(STEP)

    after = (space.root / "build/r/a.bin").stat()
    assert outcome.how == "ran"
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ("fail", "export:r ended with exit code 1\n"),
        ("die", "export:r was killed by SIGKILL\n"),
        ("nothing", "export:r: its command ended well but did not write build/r/a.bin"),
    ],
)
def test_a_step_that_fails_leaves_what_was_there(space: Workspace, how: str, text: str) -> None:
    """Half-written outputs never reach build/; the last good ones stay."""
    space.run(STEP)
    before = (space.root / "build/r/a.bin").read_text()
    (space.root / "model.py").write_text("two")
    behave(space, how)

    with pytest.raises(StepError) as error:
        space.run(STEP)

    assert str(error.value).startswith(text)
    assert (space.root / "build/r/a.bin").read_text() == before
    assert list((space.state / "sandbox").iterdir()) == []


def test_a_failure_says_how_to_run_the_step_alone_and_shows_its_last_words(space: Workspace) -> None:
    """Command, last lines and log, all to paste."""
    behave(space, "fail")

    with pytest.raises(StepError) as error:
        space.run(STEP)

    assert str(error.value) == (
        "export:r ended with exit code 1\n"
        f"    run it alone: cd {space.root} && python -m etbuild.steps.export --x 1\n"
        "    | fake: cannot go on\n"
        "    full log: build/.etbuild/logs/export.r.log"
    )


def test_a_step_that_lacks_a_tool_says_so_by_its_kind_of_error(space: Workspace) -> None:
    """Exit code 3 of a step is exit code 3 of the build."""
    behave(space, "lack")

    with pytest.raises(MissingTool):
        space.run(STEP)


def test_a_missing_input_is_named(space: Workspace) -> None:
    """Before anything is started."""
    (space.root / "model.py").unlink()

    with pytest.raises(StepError, match=r"^model.py: got no such file, wanted an input of export:r$"):
        space.run(STEP)


def test_what_a_step_read_besides_its_inputs_makes_it_run_again(space: Workspace) -> None:
    """The depfile's paths are inputs from then on."""
    step = replace(STEP, outputs=(*STEP.outputs, Path("build/r/deps.json")), depfile=Path("build/r/deps.json"))
    (space.root / "blocks.py").write_text("1")
    (space.root / "control.json").write_text(json.dumps({"imports": ["blocks.py"]}))
    time.sleep(0.01)
    space.run(step)
    unchanged = space.reasons(step)

    (space.root / "blocks.py").write_text("2")
    space.digests.forget("blocks.py")

    assert unchanged == ()
    assert [reason.key for reason in space.reasons(step)] == ["imported blocks.py"]


def test_two_runs_of_one_step_do_its_work_once(space: Workspace) -> None:
    """The second waits for the first and finds it done."""
    behave(space, "wait")
    other = fake_project.workspace(str(space.root / "dodo.py"))
    outcomes: list[str] = []

    threads = [threading.Thread(target=lambda s=s: outcomes.append(s.run(STEP).how)) for s in (space, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["ran", "up to date"]
    assert (space.root / "ran").read_text() == "export:r\n"


def test_stop_kills_a_step_that_hangs(space: Workspace) -> None:
    """With all its children, so that nothing of it is left."""
    behave(space, "hang")
    errors: list[str] = []

    def run() -> None:
        with pytest.raises(StepError) as error:
            space.run(STEP)
        errors.append(str(error.value).splitlines()[0])

    thread = threading.Thread(target=run)
    thread.start()
    while not (space.root / "ran").exists():
        time.sleep(0.01)
    space.processes.stop()
    thread.join()

    assert errors == ["export:r: stopped"]


def test_a_full_disk_or_a_read_only_one_loses_nothing(space: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """The outputs of before stay whole; the error is the system's, for the adapter to put into words."""
    space.run(STEP)
    before = (space.root / "build/r/a.bin").read_text()
    (space.root / "model.py").write_text("two")

    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device", str(target))

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
        patch.setattr(Path, "replace", full)
        space.run(STEP)

    assert (space.root / "build/r/a.bin").read_text() == before
    assert space.run(STEP).how == "ran"


def test_the_sandbox_of_a_killed_build_is_swept_away(space: Workspace) -> None:
    """SIGKILL of the whole build leaves a sandbox; the next step removes it, and only dead ones."""
    script = (
        "import sys; sys.path[:0] = [sys.argv[1]]\n"
        "import fake_project\n"
        "from pathlib import Path\n"
        "from etbuild.build_engine.step import Step\n"
        "step = Step('export:r', ('--x', '1'), (Path('model.py'),), (Path('build/r/a.bin'), Path('build/r/folder')))\n"
        "fake_project.workspace(sys.argv[2]).run(step)\n"
    )
    behave(space, "hang")
    command = [sys.executable, "-c", script, str(Path(fake_project.__file__).parent), str(space.root / "dodo.py")]
    process = subprocess.Popen(command, env=os.environ.copy())
    while not (space.root / "ran").exists():
        time.sleep(0.01)
    process.kill()
    process.wait()
    orphaned = [entry for entry in (space.state / "sandbox").iterdir() if entry.is_dir()]

    while_alive = space.run(replace(STEP, name="export:other"))
    kept = [entry for entry in orphaned if entry.exists()]
    behave(space, "")
    while any(_held(entry.with_suffix(".lock")) for entry in orphaned):
        time.sleep(0.01)
    space.run(STEP)

    assert while_alive.how == "ran"
    assert len(orphaned) == 1
    assert kept == orphaned
    assert list((space.state / "sandbox").iterdir()) == []


def _held(lock: Path) -> bool:
    with lock.open("r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False
