"""What a forked process may keep of its server's modules."""

import os
from pathlib import Path

import pytest

from etbuild.workers import child
from etbuild.workers.child import OwnFiles


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that has been at rest for long enough."""
    monkeypatch.setattr(child, "START_NS", 0)
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside/one.py").write_text("first")
    return tmp_path


def test_files_that_nobody_touched_are_unchanged(package: Path) -> None:
    """Bytecode that Python writes beside them does not count."""
    own = OwnFiles.now(package)
    (package / "__pycache__").mkdir()
    (package / "__pycache__/one.pyc").write_bytes(b"code")

    assert own.unchanged()


def change(file: Path) -> None:
    stat = file.stat()
    file.write_text("other")
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))


@pytest.mark.parametrize(
    "touch",
    [
        change,
        Path.unlink,
        lambda file: file.with_name("two.py").write_text("new"),
        lambda file: file.rename(file.with_name("renamed.py")),
    ],
)
def test_any_change_is_seen(package: Path, touch: object) -> None:
    """Also one under the same size and modification time."""
    own = OwnFiles.now(package)
    assert callable(touch)

    touch(package / "inside/one.py")

    assert not own.unchanged()


def test_files_that_changed_while_the_server_started_are_not_trusted(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have imported a module just before the change."""
    monkeypatch.setattr(child, "START_NS", 5_000_000_000)

    assert not OwnFiles.now(package).unchanged()
