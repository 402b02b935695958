"""Running one step: in a sandbox of its own, all outputs or none, at most once at a time."""

import fcntl
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import fake_project
import pytest

from etbuild.build_engine.admission import Admission
from etbuild.build_engine.execute import Executor
from etbuild.build_engine.step import Step
from etbuild.errors import MissingTool, StepError
from etbuild.steps.kinds import KINDS

STEP = Step("export:r", ("--x", "1"), ("model.py",), ("build/r/a.bin", "build/r/folder"))


@pytest.fixture
def executor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Executor:
    """Of a project with one input; FAKE_CONTROL is empty."""
    monkeypatch.setenv("FAKE_CONTROL", str(tmp_path / "control.json"))
    monkeypatch.setenv("FAKE_RAN", str(tmp_path / "ran"))
    (tmp_path / "control.json").write_text("{}")
    (tmp_path / "model.py").write_text("one")
    return fake_project.executor(str(tmp_path / "dodo.py"))


@pytest.fixture
def root(executor: Executor) -> Path:
    return executor.workspace.root


def behave(root: Path, how: str) -> None:
    (root / "control.json").write_text(json.dumps({STEP.name: how}))


def sandboxes(executor: Executor) -> list[Path]:
    return list((executor.workspace.state / "sandbox").iterdir())


def test_a_step_writes_its_outputs_and_is_then_up_to_date(executor: Executor, root: Path) -> None:
    """The second run does nothing."""
    first = executor.run(STEP)
    second = executor.run(STEP)

    assert (first.how, second.how) == ("ran", "up to date")
    assert (root / "build/r/a.bin").is_file()
    assert (root / "build/r/folder/0.bin").is_file()


def test_a_folder_in_place_of_a_file_is_replaced(executor: Executor, root: Path) -> None:
    """And a file in place of a folder."""
    executor.run(STEP)
    (root / "build/r/a.bin").rename(root / "build/r/file")
    (root / "build/r/folder").rename(root / "build/r/a.bin")
    (root / "build/r/file").rename(root / "build/r/folder")

    again = executor.run(STEP)

    assert again.how == "ran"
    assert (root / "build/r/a.bin").is_file()
    assert (root / "build/r/folder/0.bin").is_file()


def test_a_forced_step_runs_though_nothing_changed(executor: Executor) -> None:
    """doit -a."""
    executor.run(STEP)

    assert str(executor.run(STEP, forced=True).why[0]) == "asked for"


def test_a_step_is_expected_to_need_the_memory_of_its_last_run(
    executor: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A first run is expected to need what its kind says."""
    expected: list[int] = []

    @contextmanager
    def admitted(_: Admission, expected_bytes: int) -> Iterator[None]:
        expected.append(expected_bytes)
        yield

    monkeypatch.setattr(Admission, "admitted", admitted)
    executor.run(STEP)
    record = executor.workspace.record(STEP)
    executor.run(STEP, forced=True)

    assert record is not None and expected == [KINDS["export"].first_run_bytes, record.peak_bytes]


def test_an_output_with_the_same_content_is_not_replaced(executor: Executor, root: Path) -> None:
    """Its times stay, so no step after it runs."""
    behave(root, "constant")
    executor.run(STEP)
    before = (root / "build/r/a.bin").stat()

    (root / "model.py").write_text("two")
    executor.workspace.digests.forget("model.py")
    outcome = executor.run(STEP)

    after = (root / "build/r/a.bin").stat()
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
def test_a_step_that_fails_leaves_the_outputs_as_they_were(executor: Executor, root: Path, how: str, text: str) -> None:
    """Half-written outputs never reach build/; the last complete ones stay."""
    executor.run(STEP)
    before = (root / "build/r/a.bin").read_text()
    (root / "model.py").write_text("two")
    behave(root, how)

    with pytest.raises(StepError) as error:
        executor.run(STEP)

    assert str(error.value).startswith(text)
    assert (root / "build/r/a.bin").read_text() == before
    assert sandboxes(executor) == []


def test_an_output_that_a_process_left_behind_can_still_change_is_none(executor: Executor, root: Path) -> None:
    """Neither placed nor stored: its digest would be that of a moment."""
    executor.run(STEP)
    before = (root / "build/r/a.bin").read_text()
    (root / "model.py").write_text("two")
    behave(root, "write on")

    with pytest.raises(StepError) as error:
        executor.run(STEP)

    assert str(error.value) == (
        "build/r/a.bin: a process that export:r left behind has it open for writing\n"
        "    the model has to wait for the processes that it starts"
    )
    assert (root / "build/r/a.bin").read_text() == before
    behave(root, "")
    assert executor.run(STEP).how == "ran"


def test_a_failure_shows_how_to_run_the_step_alone_and_its_last_lines(executor: Executor, root: Path) -> None:
    """Command, last lines and log, all to paste."""
    behave(root, "fail")

    with pytest.raises(StepError) as error:
        executor.run(STEP)

    assert str(error.value) == (
        "export:r ended with exit code 1\n"
        f"    run it alone: cd {root} && python -m etbuild.steps.export --x 1\n"
        "    | fake: cannot go on\n"
        "    full log: build/.etbuild/logs/export.r.log"
    )


def test_a_step_without_its_tool_raises_missing_tool(executor: Executor, root: Path) -> None:
    """Exit code 3 of a step is exit code 3 of the build."""
    behave(root, "lack")

    with pytest.raises(MissingTool):
        executor.run(STEP)


def test_a_missing_input_is_named(executor: Executor, root: Path) -> None:
    """Before anything is started."""
    (root / "model.py").unlink()

    with pytest.raises(StepError, match=r"^model.py: got no such file, wanted an input of export:r$"):
        executor.run(STEP)


def test_a_file_that_a_step_read_besides_its_inputs_makes_it_run_again(executor: Executor, root: Path) -> None:
    """The depfile's paths are inputs from then on."""
    step = STEP._replace(outputs=(*STEP.outputs, "build/r/deps.json"), depfile="build/r/deps.json")
    workspace = executor.workspace
    (root / "blocks.py").write_text("1")
    (root / "control.json").write_text(json.dumps({"imports": ["blocks.py"]}))
    time.sleep(0.01)
    executor.run(step)
    unchanged = workspace.reasons(step)

    (root / "blocks.py").write_text("2")
    workspace.digests.forget("blocks.py")

    assert unchanged == ()
    assert [reason.key for reason in workspace.reasons(step)] == ["imported blocks.py"]


def test_two_runs_of_one_step_do_its_work_once(executor: Executor, root: Path) -> None:
    """The second waits for the first and finds the step up to date."""
    behave(root, "wait")
    other = fake_project.executor(str(root / "dodo.py"))
    outcomes: list[str] = []

    threads = [threading.Thread(target=lambda e=e: outcomes.append(e.run(STEP).how)) for e in (executor, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["ran", "up to date"]
    assert (root / "ran").read_text() == "export:r\n"


def test_stop_kills_a_step_that_hangs(executor: Executor, root: Path) -> None:
    """With all its children, so that nothing of it is left."""
    behave(root, "hang")
    errors: list[str] = []

    def run() -> None:
        with pytest.raises(StepError) as error:
            executor.run(STEP)
        errors.append(str(error.value).splitlines()[0])

    thread = threading.Thread(target=run)
    thread.start()
    while not (root / "ran").exists():
        time.sleep(0.01)
    executor.launcher.stop()
    thread.join()

    assert errors == ["export:r: stopped"]


def test_a_full_or_read_only_disk_loses_nothing(
    executor: Executor, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The earlier outputs stay complete; the error is the system's, for the adapter to report."""
    executor.run(STEP)
    before = (root / "build/r/a.bin").read_text()
    (root / "model.py").write_text("two")

    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device", str(target))

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
        patch.setattr(Path, "replace", full)
        executor.run(STEP)

    assert (root / "build/r/a.bin").read_text() == before
    assert executor.run(STEP).how == "ran"


KILLED = """
import sys; sys.path[:0] = [sys.argv[1]]
import fake_project
from etbuild.build_engine.step import Step
step = Step("export:r", ("--x", "1"), ("model.py",), ("build/r/a.bin", "build/r/folder"))
fake_project.executor(sys.argv[2]).run(step)
"""


def test_the_sandbox_of_a_killed_build_is_removed(executor: Executor, root: Path) -> None:
    """SIGKILL of the whole build leaves a sandbox; the next step removes it, but none that is still in use."""
    behave(root, "hang")
    command = [sys.executable, "-c", KILLED, str(Path(fake_project.__file__).parent), str(root / "dodo.py")]
    process = subprocess.Popen(command, env=os.environ.copy())
    while not (root / "ran").exists():
        time.sleep(0.01)
    process.kill()
    process.wait()
    abandoned = [entry for entry in sandboxes(executor) if entry.is_dir()]

    while_in_use = executor.run(STEP._replace(name="export:other"))
    remaining = [entry for entry in abandoned if entry.exists()]
    behave(root, "")
    while any(_is_locked(entry.with_suffix(".lock")) for entry in abandoned):
        time.sleep(0.01)
    executor.run(STEP)

    assert while_in_use.how == "ran"
    assert len(abandoned) == 1
    assert remaining == abandoned
    assert sandboxes(executor) == []


def _is_locked(lock: Path) -> bool:
    with lock.open("r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False
