"""Whether what a run has read changed while it ran: then its outputs are not stored for others."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest

from etbuild import PACKAGE
from etbuild.build_engine.decision import Record
from etbuild.build_engine.depfile import Depfile
from etbuild.build_engine.unchanged import inputs_unchanged, value
from etbuild.build_engine.workspace import Workspace
from etbuild.system.digests import AT_REST_NS

ONE = hashlib.sha256(b"1").hexdigest()
ENGINE = "build_engine/unchanged.py"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """With the files a and b, which are at rest."""
    for name in ("a", "b"):
        (tmp_path / name).write_text("1")
    time.sleep(AT_REST_NS / 1e9)
    return Workspace(tmp_path, {}, lambda _: {})


def ctime_ns(workspace: Workspace) -> int:
    return (workspace.root / "a").stat().st_ctime_ns


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (Record((), inputs={"a": ONE}, discovered={"b": ONE}), True),
        (Record((), inputs={"a": "other"}, discovered={"b": ONE}), False),
        (Record((), inputs={"a": ONE}, discovered={"b": "other"}), False),
        (Record((), inputs={"a": ONE, "gone": ONE}), False),
        (Record((), discovered={"b": ONE, "gone": ""}), False),
        (Record((), inputs={"gone": ""}), True),
        (Record((), source={ENGINE: hashlib.sha256((PACKAGE / ENGINE).read_bytes()).hexdigest()}), True),
        (Record((), source={ENGINE: ONE}), False),
        (Record((), discovered={"env://NOT_SET": "unset"}), True),
        (Record((), discovered={"env://NOT_SET": "other"}), False),
    ],
)
def test_each_digest_that_a_run_has_seen_is_compared(workspace: Workspace, record: Record, expected: bool) -> None:
    """Inputs, our own source, files and facts that were discovered; one that is unknown is never shared."""
    assert inputs_unchanged(workspace, record, time.time_ns()) is expected


def test_a_file_that_changed_after_the_run_began_has_changed(workspace: Workspace) -> None:
    """Whatever its content is now; from the next nanosecond on."""
    record, changed_ns = Record((), inputs={"a": ONE}), ctime_ns(workspace)

    assert [inputs_unchanged(workspace, record, started) for started in (changed_ns, changed_ns - 1)] == [True, False]


def test_what_the_run_says_that_it_has_seen_counts(workspace: Workspace) -> None:
    """Even when the file has changed since; of others what is there now, and nothing of one that has changed."""
    read = Depfile(("a",), {"a": "seen"})
    found = [value(workspace, name, read, ctime_ns(workspace) - 1) for name in ("a", "b", "gone", "env://NOT_SET")]
    at_rest = value(workspace, "b", read, time.time_ns())

    assert found == ["seen", "", "", "unset"]
    assert at_rest == ONE


def test_nothing_that_was_looked_up_before_the_run_is_believed(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Digests and facts are looked up again."""
    stat = (workspace.root / "a").stat()
    workspace.current.digest("a")
    workspace.current.digest("env://A_VARIABLE")
    (workspace.root / "a").write_text("2")
    os.utime(workspace.root / "a", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    monkeypatch.setenv("A_VARIABLE", "x")
    started = time.time_ns()

    assert value(workspace, "a", Depfile(), started) == hashlib.sha256(b"2").hexdigest()
    assert value(workspace, "env://A_VARIABLE", Depfile(), started) == hashlib.sha256(b"x").hexdigest()
