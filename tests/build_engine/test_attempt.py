"""One attempt to run a step, its process replaced by a function: what is recorded, stored, refused and reported."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from etbuild.build_engine.decision import Reason, Record
from etbuild.build_engine.execute import Executor
from etbuild.build_engine.launch import Launcher, Programs, Way
from etbuild.build_engine.local import ProcessLost, ProcessResult
from etbuild.build_engine.step import Step
from etbuild.build_engine.workspace import Workspace
from etbuild.errors import MissingTool, StepError
from etbuild.steps.kinds import KINDS
from etbuild.system.digests import AT_REST_NS

STEP = Step("export:net", ("--x",), ("model.py",), ("build/a.bin", "build/deps.json"), depfile="build/deps.json")
Program = Callable[[Path], object]


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def write(sandbox: Path, **depfile: object) -> None:
    """What a run of STEP writes."""
    (sandbox / "build/a.bin").write_text("made")
    (sandbox / "build/deps.json").write_text(json.dumps({"inputs": [], **depfile}))


class Run:
    """An executor whose steps are done by `program`, called with the sandbox: its return value is the exit code."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch):
        self.root = root
        self.program: Program = write
        self.ways: tuple[Way, ...] = ("plain",)
        self.tried: list[Way] = []
        self.executor = Executor(Workspace(root, KINDS, lambda _: {"vela": "5"}), Programs(KINDS))
        monkeypatch.setattr(Launcher, "run", self._run)
        monkeypatch.setattr(Launcher, "ways", lambda launcher, step: self.ways)

    def _run(self, step: Step, files: tuple[Path, Path, int], way: Way) -> ProcessResult:
        sandbox, log, _ = files
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_bytes(b"last \xff words\n")
        self.tried.append(way)
        code = self.program(sandbox)
        return ProcessResult(code if isinstance(code, int) else 0, 1.23456, 7)

    def __call__(self, step: Step = STEP) -> Record:
        self.executor.run(step)
        found = self.executor.workspace.record(step)
        assert found is not None
        return found

    @property
    def stored(self) -> int:
        """How many runs are in the cache."""
        return len(list(self.root.parent.glob("cache/v1/actions/*/*")))


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """With one input, which is at rest."""
    monkeypatch.setenv("ETBUILD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    root = tmp_path / "project"
    root.mkdir()
    (root / "model.py").write_text("model")
    (root / "blocks.py").write_text("blocks")
    time.sleep(AT_REST_NS / 1e9)
    return Run(root, monkeypatch)


def test_a_record_has_what_the_run_has_read_written_and_needed(run: Run) -> None:
    """Of an input what the run says that it has seen; seconds to the millisecond."""
    run.program = lambda sandbox: write(
        sandbox, inputs=["blocks.py"], opened={"model.py": "seen", "other.py": "d"}, facts={"env://X": "unset"}
    )

    found = run()

    assert found == Record(
        ("--x",),
        {"vela": "5"},
        run.executor.workspace.source(STEP),
        {"model.py": "seen"},
        {"blocks.py": sha256("blocks"), "env://X": "unset"},
        {path: run.executor.workspace.digests.of(path) or "" for path in STEP.outputs},
        1.235,
        7,
    )


def test_how_a_step_ended_is_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its time and its reasons: a forced run, one that was not needed, one from the cache."""
    ticks = iter(range(100))
    monkeypatch.setattr(time, "perf_counter", lambda: next(ticks) / 3)
    outcomes = [run.executor.run(STEP), run.executor.run(STEP), run.executor.run(STEP, forced=True)]
    run.executor.workspace.forget(STEP)
    outcomes.append(run.executor.run(STEP))
    run.executor.save()
    assert (run.executor.workspace.state / "digests.json").is_file()

    assert [(outcome.how, outcome.seconds, outcome.why) for outcome in outcomes] == [
        ("ran", 1.235, (Reason("never built"),)),
        ("up to date", 0.0, ()),
        ("ran", 1.235, (Reason("asked for"),)),
        ("cached", 0.333, (Reason("never built"),)),
    ]


def test_what_changed_since_the_last_step_is_seen(run: Run) -> None:
    """An input that was edited, an output that is gone: no other step has to say so."""
    run()
    (run.root / "model.py").write_text("another")
    edited = run.executor.run(STEP).why
    (run.root / "build/a.bin").unlink()
    lost = run.executor.run(STEP)

    assert [reason.key for reason in edited] == ["input model.py"]
    assert (lost.how, lost.why) == ("cached", (Reason("output build/a.bin is missing"),))
    assert (run.root / "build/a.bin").read_text() == "made"


@pytest.mark.parametrize(
    ("untracked", "message"),
    [
        ((), ""),
        (("a subprocess",), "a subprocess"),
        (("a subprocess", "the network", "time"), "a subprocess, and 2 more"),
        (("a subprocess", "the network"), "a subprocess, and 1 more"),
    ],
)
def test_a_run_that_cannot_be_tracked_is_not_stored(
    run: Run, untracked: tuple[str, ...], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """That is reported; its outputs are used here."""
    run.program = lambda sandbox: write(sandbox, untracked=untracked)
    run()

    assert run.stored == (0 if untracked else 1)
    text = f"export:net: {message}\n    the result is not stored in the cache\n"
    assert capfd.readouterr().err == (text if untracked else "")
    assert (run.root / "build/a.bin").read_text() == "made"


def test_a_run_whose_input_changed_meanwhile_is_not_stored(run: Run) -> None:
    """It is recorded with the digest from before, so it runs again."""

    def program(sandbox: Path) -> None:
        (run.root / "model.py").write_text("changed")
        write(sandbox)

    run.program = program

    assert run().inputs == {"model.py": sha256("model")}
    assert run.stored == 0


def test_an_unknown_file_is_recorded_as_one(run: Run) -> None:
    """What was discovered and changed since the run began: nobody knows which content was read."""

    def program(sandbox: Path) -> None:
        time.sleep(0.02)
        (run.root / "blocks.py").write_text("changed")
        write(sandbox, inputs=["blocks.py"])

    run.program = program

    assert run().discovered == {"blocks.py": ""}
    assert run.stored == 0


def test_a_sandbox_has_the_project_but_not_what_is_built(run: Run, tmp_path: Path) -> None:
    """For a step with a depfile: links to all that is not hidden, beside those of its inputs; the outputs' folders."""
    for name in ("lib/a.py", "lib/deep/b.py", "lib/deep/c.py", "data/x", ".git/config", "build/old/y"):
        (run.root / name).parent.mkdir(parents=True, exist_ok=True)
        (run.root / name).write_text("")
    (tmp_path / "outside").write_text("outside")
    found: list[dict[str, str]] = []

    def program(sandbox: Path) -> None:
        below = [Path(at) / name for at, folders, files in os.walk(sandbox) for name in [*folders, *files]]
        found.append(
            {
                path.relative_to(sandbox).as_posix(): str(path.readlink().relative_to(run.root))
                for path in below
                if path.is_symlink()
            }
        )
        found.append({path.relative_to(sandbox).as_posix(): "" for path in below if not path.is_symlink()})
        write(sandbox)

    run.program = program
    step = STEP._replace(inputs=("model.py", "lib/deep/b.py", str(tmp_path / "outside")))
    run(step)
    run(step._replace(name="export:plain", depfile=""))

    inputs = {"model.py": "model.py", "lib/deep/b.py": "lib/deep/b.py"}
    more = {name: name for name in ("blocks.py", "data", "lib/a.py", "lib/deep/c.py")}
    folders = {"build": "", "lib": "", "lib/deep": ""}
    assert found == [{**inputs, **more}, folders, inputs, folders]


@pytest.mark.parametrize(
    ("code", "error", "first"),
    [
        (1, StepError, "export:net ended with exit code 1"),
        (3, MissingTool, "export:net ended with exit code 3"),
        (-9, StepError, "export:net was killed by SIGKILL"),
    ],
)
def test_a_failure_is_reported_with_command_and_log(
    run: Run, code: int, error: type[Exception], first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To paste; nothing is recorded or stored."""
    run.program = lambda sandbox: code

    with pytest.raises(error) as raised:
        run(STEP._replace(argv=("--x", "a b")))

    assert str(raised.value) == (
        f"{first}\n    run it alone: cd {run.root} && python -m etbuild.steps.export --x 'a b'\n"
        "    | last \ufffd words\n    full log: build/.etbuild/logs/export.net.log"
    )
    assert (type(raised.value), run.stored) == (error, 0)
    assert run.executor.workspace.record(STEP) is None


@pytest.mark.parametrize(
    ("name", "made", "what"),
    [
        ("data/pipe", os.mkfifo, "a device or pipe"),
        ("data/.pipe", os.mkfifo, "a device or pipe"),
        ("data/link", lambda path: path.symlink_to("nothing"), "a link to nothing, which does not exist"),
        ("data/.#model.py", lambda path: path.symlink_to("user@host.1"), ""),
        (".hidden/link", lambda path: path.symlink_to("nothing"), "a link to nothing, which does not exist"),
    ],
)
def test_an_input_that_nobody_can_read_is_refused(run: Run, name: str, made: Callable[[Path], None], what: str) -> None:
    """But for an editor's lock, a hidden link to nothing. Nothing is started."""
    (run.root / name).parent.mkdir()
    made(run.root / name)
    step = STEP._replace(inputs=(name.split("/")[0],))

    if what:
        with pytest.raises(StepError) as error:
            run(step)
        text = f"{name}: got {what}, wanted a file\n    remove it, or fetch the file it links to"
        assert (str(error.value), run.tried) == (text, [])
    else:
        run(step)
        assert run.tried == ["plain"]


def test_a_step_whose_process_is_lost_is_run_in_the_next_way(run: Run, capfd: pytest.CaptureFixture[str]) -> None:
    """Each time with a message; the last way is never lost."""

    def program(sandbox: Path) -> None:
        if len(run.tried) < 3:
            raise ProcessLost(f"lost {len(run.tried)}")
        write(sandbox)

    run.program, run.ways = program, ("dask", "warm", "plain")
    run()

    assert run.tried == ["dask", "warm", "plain"]
    assert capfd.readouterr().err == (
        "export:net: lost 1; this machine does it\nexport:net: lost 2; a plain process does it\n"
    )


@pytest.mark.parametrize(("way", "expected"), [("plain", [KINDS["export"].first_run_bytes, 7, 7]), ("dask", [])])
def test_a_step_waits_for_its_memory_where_it_runs(
    run: Run, way: Way, expected: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As much as its last run needed, at first that of its kind; none here for a run on a worker."""
    asked: list[int] = []
    real = run.executor._admission.admitted
    monkeypatch.setattr(run.executor._admission, "admitted", lambda peak: asked.append(peak) or real(peak))
    run.ways = (way,)
    for _ in range(3):
        run.executor.run(STEP, forced=True)

    assert asked == expected


def test_a_full_disk_is_a_reason_for_a_log_that_ends_early(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the step printed last may be missing."""
    run.program = lambda sandbox: 1
    real = Path.open

    def full(path: Path, mode: str = "r", *rest: object, **more: object) -> object:
        return real(Path("/dev/full") if mode == "ab" else path, mode, *rest, **more)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", full)

    with pytest.raises(StepError) as error:
        run()

    assert str(error.value).endswith(
        "    full log: build/.etbuild/logs/export.net.log\n"
        "build/.etbuild/logs/export.net.log: got No space left on device, wanted the step's whole output\n"
        "    make room, then build again"
    )


def test_outputs_are_restored_in_one_folder_that_goes_away(run: Run) -> None:
    """Each under a name of its own, and discarded when it was not needed."""
    run()
    sandboxes = run.executor.workspace.state / "sandbox"
    folders = []
    for _ in range(2):
        run.executor.workspace.forget(STEP)
        assert run.executor.run(STEP).how == "cached"
        folders.append([path for path in sorted(sandboxes.iterdir()) if path.is_dir()])
    left = [list(folder.iterdir()) for folder in folders[0]]
    run.executor.save()

    assert folders[0] == folders[1] and left == [[]]
    assert list(sandboxes.iterdir()) == []
    run.executor.workspace.forget(STEP)
    assert run.executor.run(STEP).how == "cached"
    run.executor.save()
    assert list(sandboxes.iterdir()) == []


def test_the_key_of_a_running_step_is_claimed(run: Run) -> None:
    """Another checkout that needs the same outputs waits for them."""
    locks: list[str] = []

    def program(sandbox: Path) -> None:
        locks.extend(path.name for path in run.root.parent.glob("cache/v1/tmp/*.lock"))
        write(sandbox)

    run.program = program
    run()

    assert locks == [f"{run.executor.cache.key(STEP, run.executor.workspace.current)}.lock"]
