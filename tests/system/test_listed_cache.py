"""A cache folder whose entries have lists of digests: damaged entries are not used, abandoned files are found."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import time
from pathlib import Path

import pytest

from etbuild.system.listed_cache import ListedCache, ListedEntry, remove


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


@pytest.mark.parametrize("name", ["../outside", "one/../../outside"])
def test_a_list_that_leads_out_of_the_folder_is_damaged(cache: ListedCache, name: str) -> None:
    """Deleting such an entry deletes nothing else."""
    outside = cache.folder.parent / "outside"
    outside.write_text("")
    (cache.folder / "one").mkdir(exist_ok=True)
    (cache.folder / "one.sha256").write_text(f"{'0' * 64}  {name}\n")

    assert not cache.holds("one")
    assert cache.delete("one") == 0
    assert outside.exists()


def test_a_list_of_another_entry_is_damaged(cache: ListedCache) -> None:
    """Its files say nothing of this entry's, and deleting this one does not delete them."""
    (cache.folder / "one.1.o").write_text("object")
    cache.add("two", {"two.o": cache.folder / "one.1.o"})
    (cache.folder / "one.sha256").write_bytes((cache.folder / "two.sha256").read_bytes())
    (cache.folder / "one.o").write_text("damaged")

    assert not cache.holds("one")
    add(cache)
    assert cache.holds("one")
    assert cache.holds("two")


def test_an_entry_replaces_a_folder_in_place_of_its_list(cache: ListedCache) -> None:
    """Whatever is in it."""
    (cache.folder / "one.sha256").unlink()
    (cache.folder / "one.sha256").mkdir()
    (cache.folder / "one.sha256/inside").write_text("")

    assert not cache.holds("one")
    add(cache)
    assert cache.holds("one")


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


def test_an_entry_replaces_all_of_the_one_before(cache: ListedCache) -> None:
    """Files that the new one does not have are gone, and so is what has its names; nothing temporary is left."""
    (cache.folder / "one.s").write_text("another content")
    (cache.folder / "made").write_text("made")

    cache.add("one", {"one.s": cache.folder / "made"})

    assert sorted(path.name for path in cache.folder.iterdir()) == ["one.s", "one.sha256"]
    assert cache.holds("one")


def test_the_list_is_written_beside_its_name(cache: ListedCache, monkeypatch: pytest.MonkeyPatch) -> None:
    """By one process each; the lock of the entry is for that name too."""
    renamed: list[str] = []
    rename = Path.replace
    monkeypatch.setattr(Path, "replace", lambda path, target: renamed.append(path.name) or rename(path, target))

    add(cache)

    assert renamed[-1] == f"one.{os.getpid()}.part"


def test_entries_are_listed_with_size_and_last_use(cache: ListedCache) -> None:
    """By key, damaged ones too: without digests, or without the files that are gone."""
    listed = {
        name: hashlib.sha256(text).hexdigest() for name, text in (("one/library.so", b"library"), ("one.o", b"object"))
    }
    (cache.folder / "one.o").unlink()
    (cache.folder / "bad.sha256").write_text("no list")
    for number, key in enumerate(("one", "bad")):
        os.utime(cache.folder / f"{key}.sha256", ns=(number, number))

    entries = list(cache.entries())

    assert entries == [ListedEntry("bad", {}, 0, 1), ListedEntry("one", listed, len("library"), 0)]
    assert [cache.is_intact(entry) for entry in entries] == [False, False]
    add(cache)
    assert [cache.is_intact(entry) for entry in cache.entries()] == [False, True]


def test_an_entry_that_is_held_counts_as_used(cache: ListedCache) -> None:
    """A damaged one does not."""
    used = []
    for content in ("object", "objecT"):
        (cache.folder / "one.o").write_text(content)
        os.utime(cache.folder / "one.sha256", (0, 0))
        assert cache.holds("one") is (content == "object")
        used.append((cache.folder / "one.sha256").stat().st_mtime_ns != 0)

    assert used == [True, False]


@pytest.mark.parametrize("name", ["../outside", "a/../../outside", "/outside", "a b", ""])
def test_one_impossible_name_makes_a_list_damaged(cache: ListedCache, name: str) -> None:
    """The other lines are right."""
    file = cache.folder / "one.sha256"
    file.write_text(f"{file.read_text()}{'0' * 64}  {name}\n")

    assert not cache.holds("one")
    assert cache.delete("one") == 0


def test_a_name_twice_in_a_list_makes_it_damaged(cache: ListedCache) -> None:
    """It has more lines than files; so does one that is no text."""
    file = cache.folder / "one.sha256"
    file.write_text(file.read_text() * 2)
    twice = cache.holds("one")
    file.write_bytes(b"\xff")

    assert (twice, cache.holds("one")) == (False, False)


def test_deleting_tells_how_many_files_there_were(cache: ListedCache) -> None:
    """None of an entry that does not exist."""
    assert (cache.delete("one"), cache.delete("one")) == (2, 0)
    assert list(cache.folder.iterdir()) == []


def test_what_is_as_old_as_a_day_is_abandoned(cache: ListedCache) -> None:
    """Not a nanosecond earlier; lists and what they name are never."""
    for path in [cache.folder / "left.1.o", *cache.folder.iterdir()]:
        path.touch()
        os.utime(path, ns=(0, 5))
    day_ns = 24 * 3600 * 10**9
    found = [[path.name for path in cache.abandoned(5 + age_ns)] for age_ns in (day_ns - 1, day_ns)]

    assert found == [[], ["left.1.o"]]
    assert list(ListedCache(cache.folder / "none").abandoned(day_ns)) == []


def test_removing_a_link_leaves_what_it_leads_to(cache: ListedCache, tmp_path: Path) -> None:
    """Files, folders and links count, what is not there does not."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/file").write_text("")
    (cache.folder / "link").symlink_to(tmp_path / "folder")

    assert remove([cache.folder / name for name in ("link", "one", "one.o", "gone")]) == 3
    assert (tmp_path / "folder/file").exists()
    assert [path.name for path in cache.folder.iterdir()] == ["one.sha256"]
