"""A cache folder whose entries have lists of digests: damaged entries are not used, abandoned files are found."""

from __future__ import annotations

import fcntl
import os
import subprocess
import time
from pathlib import Path

import pytest

from etbuild.system.listed_cache import ListedCache


@pytest.fixture
def cache(tmp_path: Path) -> ListedCache:
    """With the entry "one": a file, and a folder with a file in it."""
    made = ListedCache(tmp_path / "cache")
    made.folder.mkdir()
    add(made)
    return made


def add(cache: ListedCache) -> None:
    (cache.folder / "part.o").write_text("object")
    (cache.folder / "part").mkdir()
    (cache.folder / "part/library.so").write_text("library")
    cache.add("one", {"one.o": cache.folder / "part.o", "one": cache.folder / "part"})


def test_an_entry_is_held_and_sha256sum_agrees(cache: ListedCache) -> None:
    """The list has the format of sha256sum."""
    done = subprocess.run(["sha256sum", "--check", "one.sha256"], cwd=cache.folder, capture_output=True, text=True)

    assert cache.holds("one")
    assert done.stdout == "one/library.so: OK\none.o: OK\n"
    assert not cache.holds("two")


@pytest.mark.parametrize("name", ["one.o", "one/library.so", "one.sha256"])
@pytest.mark.parametrize("content", [b"", b"objecT", None], ids=["empty", "changed", "missing"])
def test_a_damaged_entry_is_not_held(cache: ListedCache, name: str, content: bytes | None) -> None:
    """Whichever of its files is damaged; it is written again as a whole."""
    file = cache.folder / name
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)

    assert not cache.holds("one")
    add(cache)
    assert cache.holds("one")


def test_a_list_that_leads_out_of_the_folder_is_damaged(cache: ListedCache) -> None:
    """Deleting such an entry deletes nothing else."""
    outside = cache.folder.parent / "outside"
    outside.write_text("")
    (cache.folder / "one.sha256").write_text(f"{'0' * 64}  ../outside\n")

    assert not cache.holds("one")
    assert cache.delete("one") == 0
    assert outside.exists()


def test_files_are_on_the_disk_before_they_have_their_names(
    cache: ListedCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list is named last."""
    events: list[str] = []
    fsync, rename = os.fsync, Path.replace

    def synced(descriptor: int) -> None:
        events.append(f"sync {Path(f'/proc/self/fd/{descriptor}').readlink().name.split('.')[0]}")
        fsync(descriptor)

    def renamed(path: Path, target: Path) -> Path:
        events.append(f"name {target.name}")
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", renamed)

    add(cache)

    assert events == ["sync library", "sync part", "name one.o", "name one", "sync one", "name one.sha256"]


def test_what_no_list_names_is_abandoned_unless_it_is_locked(cache: ListedCache) -> None:
    """And unless it was written to within a day."""
    for name in ("old.o", "held.1.o", "held.lock", "free.lock", "new.o"):
        (cache.folder / name).write_text("")
        if name != "new.o":
            os.utime(cache.folder / name, (0, 0))

    with (cache.folder / "held.lock").open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        found = [[path.name for path in cache.abandoned(time.time_ns(), *age)] for age in ((), (0,))]

    assert found == [["free.lock", "old.o"], ["free.lock", "new.o", "old.o"]]
