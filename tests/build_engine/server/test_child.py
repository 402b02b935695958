"""When a child may use the modules that its server has imported, and which memory it copies."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from etbuild.build_engine.server import child
from etbuild.build_engine.server.child import OwnFiles


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that has been at rest for long enough."""
    monkeypatch.setattr(child, "START_NS", 0)
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside/one.py").write_text("first")
    return tmp_path


def test_files_that_nobody_changed_are_unchanged(package: Path) -> None:
    """Bytecode that Python writes next to them does not count."""
    own = OwnFiles.now(package)
    (package / "__pycache__").mkdir()
    (package / "__pycache__/one.pyc").write_bytes(b"code")

    assert own.unchanged()


def rewrite(file: Path) -> None:
    stat = file.stat()
    file.write_text("other")
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))


@pytest.mark.parametrize(
    "change",
    [
        rewrite,
        Path.unlink,
        lambda file: file.with_name("two.py").write_text("new"),
        lambda file: file.rename(file.with_name("renamed.py")),
    ],
)
def test_any_change_is_seen(package: Path, change: object) -> None:
    """Also one under the same size and modification time."""
    own = OwnFiles.now(package)
    assert callable(change)

    change(package / "inside/one.py")

    assert not own.unchanged()


def test_files_that_changed_while_the_server_started_are_not_trusted(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have imported a module just before the change."""
    monkeypatch.setattr(child, "START_NS", 5_000_000_000)

    assert not OwnFiles.now(package).unchanged()


FORKING = """
import os, re
from pathlib import Path
from etbuild.build_engine.server.child import copy_memory

def shared_kb() -> int:
    rows = re.findall(r"^\\w+-\\w+ rw-p \\S+ \\S+ 0 *\\n((?:\\w+: .*\\n)*)", Path("/proc/self/smaps").read_text(), re.M)
    return sum(int(re.search(r"Shared_Dirty: +(\\d+)", row)[1]) for row in rows)

objects = [[number] for number in range(500_000)]
if os.fork() == 0:
    before = shared_kb()
    list(copy_memory())
    print(before > 20_000, shared_kb() < before / 20, objects == [[number] for number in range(500_000)], flush=True)
    os._exit(0)
os.wait()
"""


@pytest.mark.skipif(
    [int(part) for part in platform.release().split(".")[:2]] < [5, 14], reason="this kernel has no MADV_POPULATE_WRITE"
)
def test_a_child_copies_the_memory_of_pythons_objects() -> None:
    """Ahead of the first write, and their values stay."""
    done = subprocess.run([sys.executable, "-c", FORKING], capture_output=True, text=True, check=True)

    assert done.stdout == "True True True\n"
