"""A project on disk: what is kept below build/.etbuild, what is removed, and what replaces what."""

from __future__ import annotations

import hashlib
import sys
import time
from pathlib import Path

import pytest

from etbuild import PACKAGE
from etbuild.build_engine.decision import Reason, Record
from etbuild.build_engine.step import Step
from etbuild.build_engine.workspace import ToolVersions, Workspace, file_name
from etbuild.steps.kinds import KINDS
from etbuild.system import tools
from etbuild.system.digests import AT_REST_NS, stat_of

STEP = Step("vela:net@a/b", ("--x",), ("in",), ("build/net/a/out.bin", "build/net/folder"))


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """With the outputs, record and log of STEP."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    made = Workspace(tmp_path / "project", KINDS, lambda _: {"vela": "5"})
    root = made.root
    (root / "build/net/a").mkdir(parents=True)
    (root / "build/net/folder").mkdir()
    (root / "in").write_text("in")
    (root / "build/net/a/out.bin").write_text("out")
    (root / "build/net/folder/file").write_text("file")
    found = {path: made.digests.of(path) or "" for path in STEP.outputs}
    made.write_record(STEP, Record(STEP.argv, {"vela": "5"}, made.source(STEP), {"in": digest("in")}, {}, found))
    made.log(STEP).parent.mkdir()
    made.log(STEP).write_text("log")
    return made


def files(workspace: Workspace) -> list[str]:
    """Files and empty folders of the project's build folder."""
    below = [path for path in (workspace.root / "build").rglob("*") if path.is_file() or not any(path.iterdir())]
    return sorted(path.relative_to(workspace.root).as_posix() for path in below)


def test_the_files_of_a_step_are_below_build_etbuild(workspace: Workspace) -> None:
    """A name is one file name: only its first colon is a dot."""
    with workspace.locked(STEP):
        pass

    assert files(workspace) == [
        "build/.etbuild/locks/vela.net@a_b.lock",
        "build/.etbuild/logs/vela.net@a_b.log",
        "build/.etbuild/steps/vela.net@a_b.json",
        "build/net/a/out.bin",
        "build/net/folder/file",
    ]
    assert file_name(Step("a:b:c/d/e", (), (), ())) == "a.b:c_d_e"


def test_the_cache_files_are_written_when_all_is_done(workspace: Workspace) -> None:
    """Of digests, of fresh steps and, for all projects of a user, of our own source."""
    time.sleep(2 * AT_REST_NS / 1e9)
    made = Workspace(workspace.root, KINDS, lambda _: {"vela": "5"})
    before = made.reasons(STEP)
    made.save()

    assert before == ()
    assert (made.state / "digests.json").is_file() and (made.state / "freshness.json").is_file()
    assert (workspace.root.parent / "user/etbuild/sources.json").is_file()
    assert made.sandboxes._base == workspace.root / "build/.etbuild/sandbox"


def test_a_user_cache_that_cannot_be_written_costs_nothing(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk refuses."""

    def full() -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(workspace.sources, "save", full)

    workspace.save()


def test_a_record_that_is_not_there_is_none(workspace: Workspace) -> None:
    """Of a step that never ran, and of one that is forgotten, twice."""
    other = workspace.record(STEP._replace(name="vela:other"))
    before = workspace.record(STEP)
    for _ in range(2):
        workspace.forget(STEP)

    assert other is None and before is not None
    assert workspace.record(STEP) is None
    assert workspace.reasons(STEP) == (Reason("never built"),)


def test_a_step_with_a_reason_is_not_stored_as_fresh(workspace: Workspace) -> None:
    """One that was found up to date is: its record is not read again."""
    time.sleep(2 * AT_REST_NS / 1e9)
    changed = STEP._replace(argv=("--y",))
    found = [workspace.reasons(changed), workspace.reasons(changed), workspace.reasons(STEP)]
    workspace._record_file(STEP).chmod(0)
    workspace.record = lambda step: None  # type: ignore[method-assign]

    assert found == [(Reason("x"), Reason("y"))] * 2 + [()]
    assert workspace.reasons(STEP) == (Reason("never built"),)


def test_the_record_of_a_fresh_step_is_not_read(workspace: Workspace) -> None:
    """Its stat is enough."""
    time.sleep(2 * AT_REST_NS / 1e9)
    before = workspace.reasons(STEP)
    workspace.record = lambda step: None  # type: ignore[method-assign]

    assert (before, workspace.reasons(STEP)) == ((), ())


def test_a_step_with_a_damaged_record_was_never_built(workspace: Workspace) -> None:
    """The file is there, at rest."""
    workspace._record_file(STEP).write_text("{")
    time.sleep(2 * AT_REST_NS / 1e9)

    assert workspace.reasons(STEP) == (Reason("never built"),)


def test_clean_leaves_nothing_of_a_step(workspace: Workspace) -> None:
    """Outputs, record, log and the folders that are then empty, but for build/ itself; twice is no error."""
    workspace.digests.of("build/net/a/out.bin")
    for _ in range(2):
        workspace.clean(STEP)

    assert workspace.digests.of("build/net/a/out.bin") is None
    assert [path for path in files(workspace) if not path.startswith("build/.etbuild")] == []
    assert not (workspace.root / "build/net").exists()
    assert not workspace.log(STEP).exists() and workspace.record(STEP) is None


def test_clean_keeps_folders_with_other_files(workspace: Workspace) -> None:
    """And an empty build/, which a link may lead to."""
    (workspace.root / "build/net/notes").write_text("")
    (workspace.root / "build/top.bin").write_text("")

    workspace.clean(STEP)
    workspace.clean(STEP._replace(name="vela:top", outputs=("build/top.bin",)))

    assert not (workspace.root / "build/net/a").exists()
    assert (workspace.root / "build/net/notes").exists()


def test_what_no_step_writes_any_more_is_removed(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    """But for what another step writes now, and what is gone already; a damaged record is removed alone."""
    live = STEP._replace(name="vela:live", outputs=("build/net/folder",))
    workspace.write_record(live, Record((), outputs={"build/net/folder": "", "build/net/a/out.bin": ""}))
    gone = STEP._replace(name="vela:gone")
    workspace.write_record(gone, Record((), outputs={"build/gone": ""}))
    (workspace.state / "steps/vela.damaged.json").write_text("{")

    workspace.clean_stale((live,), dryrun=True)
    dry = capsys.readouterr().out, files(workspace)
    workspace.clean_stale((live,), dryrun=False)

    text = "vela.net@a_b: removing build/net/a/out.bin\n"
    assert dry[0] == text and "build/net/a/out.bin" in dry[1] and "build/.etbuild/steps/vela.damaged.json" in dry[1]
    assert capsys.readouterr().out == text
    assert files(workspace) == [
        "build/.etbuild/logs/vela.net@a_b.log",
        *(["build/.etbuild/sandbox"] if (workspace.state / "sandbox").exists() else []),
        "build/.etbuild/steps/vela.live.json",
        "build/net/folder/file",
    ]


def test_an_output_replaces_one_with_another_content(workspace: Workspace, tmp_path: Path) -> None:
    """Files and folders; an equal one keeps its file."""
    made = {name: tmp_path / f"made {number}" for number, name in enumerate((*STEP.outputs, "build/new/deep/file"))}
    out, folder, new = made.values()
    out.write_text("out")
    folder.mkdir()
    (folder / "other").write_text("other")
    new.write_text("new")
    kept = stat_of(str(workspace.root / STEP.outputs[0]))
    before = workspace.digests.of(STEP.outputs[1])
    digests = {STEP.outputs[0]: digest("out"), STEP.outputs[1]: "another", "build/new/deep/file": digest("new")}

    workspace.place_outputs(made, digests)

    assert stat_of(str(workspace.root / STEP.outputs[0])) == kept and out.exists()
    assert [path.name for path in (workspace.root / STEP.outputs[1]).iterdir()] == ["other"]
    assert (workspace.root / "build/new/deep/file").read_text() == "new"
    assert workspace.digests.of(STEP.outputs[1]) != before
    assert workspace.digests.of("build/new/deep/file") == digest("new")


def test_an_output_that_was_edited_since_it_was_examined_is_replaced(workspace: Workspace, tmp_path: Path) -> None:
    """It is examined again before it is kept."""
    workspace.digests.of(STEP.outputs[0])
    (workspace.root / STEP.outputs[0]).write_text("edited")
    (tmp_path / "made").write_text("out")

    workspace.place_outputs({STEP.outputs[0]: tmp_path / "made"}, {STEP.outputs[0]: digest("out")})

    assert (workspace.root / STEP.outputs[0]).read_text() == "out"


def test_the_evidence_of_a_run_is_code_files_and_tools(workspace: Workspace) -> None:
    """All of our modules that are loaded, all that was examined, and what the caller adds, which comes last."""
    made = Workspace(workspace.root, KINDS)
    made.digests.of("in")
    made._versions(STEP)
    own = str(PACKAGE / "build_engine/workspace.py")

    found = made.evidence({"in": None, "more": None})

    assert found is not None
    assert (found.stats["in"], found.stats["more"], found.stats[own]) == (None, None, stat_of(own))
    modules = {name: getattr(module, "__file__", None) for name, module in sys.modules.items()}
    ours = {file for name, file in modules.items() if file and name.split(".")[0] == "etbuild"}
    assert set(found.stats) == {*ours, "in", "more"}
    assert found.tools == {"python": tools.version("python")}
    assert workspace.evidence({}) is None


def test_each_tool_is_asked_for_once_and_python_always(monkeypatch: pytest.MonkeyPatch) -> None:
    """By steps with the same tools together; all of them are evidence."""
    asked: list[str] = []

    def version(name: str) -> str:
        asked.append(name)
        return f"{name} 1"

    monkeypatch.setattr(tools, "version", version)
    versions = ToolVersions()
    found = [versions(STEP._replace(tools=names)) for names in ((), ("vela",), ("vela",))]

    assert found == [{"python": "python 1"}, *[{"python": "python 1", "vela": "vela 1"}] * 2]
    assert versions.asked == {"python": "python 1", "vela": "vela 1"}
    assert asked == ["python", "python", "vela"]
