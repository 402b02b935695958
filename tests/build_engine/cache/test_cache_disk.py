"""A cache on a disk that is full, read-only or no folder at all: the build goes on, with one message."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cached_project import STEP, TRACED, Machine

Mount = Callable[[str], Path]


def test_a_cache_that_cannot_be_written_is_reported_once(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its folder cannot be created; the build is as without a cache."""
    (machine.base / "file").write_text("")
    monkeypatch.setenv("ETBUILD_CACHE", str(machine.base / "file/cache"))
    checkout = machine.checkout("first")

    ran = [checkout.run(STEP).how, checkout.run(TRACED).how]

    assert ran == ["ran", "ran"]
    assert capfd.readouterr().err == (
        f"{machine.base}/file/cache: got Not a directory, wanted a cache that can be written\n"
        "    the build goes on without storing in it\n"
    )


def test_a_full_disk_is_reported_once_and_leaves_no_incomplete_entries(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """What was stored before is still found."""
    first = machine.checkout("first")
    first.run(STEP)
    before = machine.stored()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("etbuild.build_engine.cache.store.shutil.copyfileobj", full)
    how = [first.run(TRACED).how, first.run(TRACED._replace(argv=("--other",))).how]
    monkeypatch.undo()

    assert how == ["ran", "ran"]
    assert machine.stored() == before
    assert capfd.readouterr().err == (
        f"{machine.store}: got No space left on device, wanted a cache that can be written\n"
        "    the build goes on without storing in it\n"
    )


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    """Mounts a disk with these options, or mounts it again with others."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mounted(options: str) -> Path:
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"mounting a disk takes root: {done.stderr.strip()}")
        return folder

    yield mounted
    subprocess.run(["umount", folder], check=False, capture_output=True)


def test_a_disk_that_is_full(
    machine: Machine, mount: Mount, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A real one, in the middle of a blob: the build has all its outputs, the disk no incomplete entry."""
    folder = mount("size=64k")
    monkeypatch.setenv("ETBUILD_CACHE", str(folder))
    big = "Path('build/r/a.bin').write_bytes(b'x' * 100000); Path('build/r/folder').mkdir()"
    checkout = machine.scripted("first", big)

    assert (checkout.run(STEP).how, checkout.run(STEP._replace(argv=())).how) == ("ran", "ran")
    assert [path for path in folder.rglob("*") if path.is_file()] == []
    assert capfd.readouterr().err == (
        f"{folder}: got No space left on device, wanted a cache that can be written\n"
        "    the build goes on without storing in it\n"
    )


def test_a_disk_that_is_read_only(
    machine: Machine, mount: Mount, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """What it contains is found; that nothing is stored is reported once."""
    monkeypatch.setenv("ETBUILD_CACHE", str(mount("size=1m")))
    machine.checkout("first").run(STEP)
    folder = mount("remount,ro")
    second = machine.checkout("second")

    how = [second.run(STEP).how, second.run(TRACED).how, second.run(TRACED._replace(argv=())).how]

    assert how == ["cached", "ran", "ran"]
    assert capfd.readouterr().err == (
        f"{folder}: got Read-only file system, wanted a cache that can be written\n"
        "    the build goes on without storing in it\n"
    )
