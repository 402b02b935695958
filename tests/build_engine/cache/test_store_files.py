"""The files of a store: what is written when, with which permissions, when it counts as used, and what is removed."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from etbuild.build_engine.cache import store as module
from etbuild.build_engine.cache.store import Entry, Store, copy, create, name_of
from etbuild.system.files import try_lock

DIGEST = hashlib.sha256(b"content").hexdigest()
BLOB = f"blobs/{DIGEST[:2]}/{DIGEST}"
DAY_NS = 24 * 3600 * 10**9


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """With one blob and one record, both last used long ago."""
    made = Store(tmp_path / "store")
    (tmp_path / "source").write_bytes(b"content")
    made.put(tmp_path / "source", DIGEST)
    made.write("lists/ab/abc", b"record")
    for name in (BLOB, "lists/ab/abc"):
        os.utime(made.folder / "v1" / name, ns=(0, 0))
    return made


def is_used(store: Store, name: str = BLOB) -> bool:
    return (store.folder / "v1" / name).stat().st_mtime_ns > 0


def temporary(store: Store) -> list[str]:
    return [path.name for path in (store.folder / "v1/tmp").iterdir()]


def test_a_name_has_a_folder_of_two_digits() -> None:
    """So that no folder has too many files."""
    assert name_of("blobs", DIGEST) == BLOB


def test_a_store_is_created_by_the_first_record(tmp_path: Path) -> None:
    """Or the first claim."""
    Store(tmp_path / "new").write("lists/ab/abc", b"record")

    assert Store(tmp_path / "new").read("lists/ab/abc") == b"record"
    with Store(tmp_path / "claimed").claimed("key", "step"):
        assert (tmp_path / "claimed/v1/tmp/key.lock").exists()


def test_reading_a_record_is_a_use(store: Store) -> None:
    """None where there is none, and where a folder has the name."""
    assert store.read("lists/ab/abc") == b"record"
    assert is_used(store, "lists/ab/abc") and not is_used(store)
    assert [store.read("lists/ab/none"), store.read("lists/ab")] == [None, None]


def test_content_that_is_stored_already_is_not_written_again(store: Store, tmp_path: Path) -> None:
    """But it counts as used; damaged content is replaced."""
    blob = store.folder / "v1" / BLOB
    before = blob.stat().st_ino
    store.put(tmp_path / "source", DIGEST)
    same = blob.stat().st_ino == before
    used = is_used(store)
    blob.write_bytes(b"damaged")
    store.put(tmp_path / "source", DIGEST)

    assert (same, used, blob.read_bytes()) == (True, True, b"content")
    assert temporary(store) == []


def test_a_file_that_changed_meanwhile_is_not_stored(store: Store, tmp_path: Path) -> None:
    """Under no name, and no part of it is left."""
    other = "0" * 64

    with pytest.raises(OSError, match=f"^{tmp_path}/source changed while it was read$"):
        store.put(tmp_path / "source", other)

    assert not (store.folder / "v1" / name_of("blobs", other)).exists()
    assert temporary(store) == []


@pytest.mark.parametrize(("executable", "mode"), [(True, 0o755), (False, 0o644)])
def test_a_copy_has_the_permissions_that_the_umask_leaves(
    store: Store, tmp_path: Path, executable: bool, mode: int
) -> None:
    """Whatever those of the file in the store are; its use is a use."""
    (store.folder / "v1" / BLOB).chmod(0o600)
    mask = os.umask(0o022)
    try:
        found = store.get(DIGEST, tmp_path / "deep/er/target", executable)
    finally:
        os.umask(mask)

    assert found is True
    assert (tmp_path / "deep/er/target").read_bytes() == b"content"
    assert (tmp_path / "deep/er/target").stat().st_mode & 0o777 == mode
    assert is_used(store)


def test_content_that_is_missing_or_damaged_makes_no_file(store: Store, tmp_path: Path) -> None:
    """The damaged one is deleted."""
    (store.folder / "v1" / BLOB).write_bytes(b"damaged")

    assert [store.get(digest, tmp_path / "target", False) for digest in (DIGEST, "0" * 64)] == [False, False]
    assert not (tmp_path / "target").exists()
    assert not (store.folder / "v1" / BLOB).exists()


def test_a_new_file_is_never_one_that_exists(tmp_path: Path) -> None:
    """Its folders are created; it can be read and written, and is not inherited by processes."""
    with create(tmp_path / "a/b/c", False) as file:
        file.write(b"text")
        file.seek(0)
        assert file.read() == b"text"
        assert os.get_inheritable(file.fileno()) is False
    with pytest.raises(FileExistsError):
        create(tmp_path / "a/b/c", False)


def test_a_copy_without_shared_blocks_has_the_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the file system cannot share them; more than one piece."""

    def refuse(*_: object) -> None:
        raise OSError("no such request")

    monkeypatch.setattr(module.fcntl, "ioctl", refuse)
    content = os.urandom((1 << 20) + 7)
    (tmp_path / "old").write_bytes(content)

    assert copy(tmp_path / "old", tmp_path / "new") == hashlib.sha256(content).hexdigest()
    assert (tmp_path / "new").read_bytes() == content
    assert (tmp_path / "new").stat().st_mode & 0o111 == 0


def test_deleting_what_is_not_there_is_no_error(store: Store) -> None:
    """Another process was faster."""
    for _ in range(2):
        store.delete(BLOB)

    assert [entry.name for entry in store.files()] == ["lists/ab/abc"]


def test_the_files_of_a_store_are_listed_by_kind_and_name(store: Store) -> None:
    """With size and last use; nothing of tmp/, and no file beside the folders. A store need not exist."""
    (store.folder / "v1/tmp/xy").mkdir()
    (store.folder / "v1/tmp/xy/part").write_bytes(b"")
    (store.folder / "v1/stray").write_bytes(b"")
    (store.folder / "v1/lists/stray").write_bytes(b"")
    store.write("lists/aa/z", b"1")
    store.write("lists/aa/b", b"")
    for number, name in enumerate(("lists/aa/b", "lists/aa/z")):
        os.utime(store.folder / "v1" / name, ns=(7, number))

    names = [(BLOB, 7, 0), ("lists/aa/b", 0, 0), ("lists/aa/z", 1, 1), ("lists/ab/abc", 6, 0)]
    assert list(store.files()) == [Entry(name, store.folder / "v1" / name, *rest) for name, *rest in names]
    assert list(Store(store.folder / "none").files()) == []


def test_what_a_killed_writer_left_is_removed_after_a_day(store: Store) -> None:
    """Not a nanosecond earlier, unless another age is asked for; a folder there stays."""
    left = []
    for age_ns, age in ((DAY_NS - 1, ()), (DAY_NS, ()), (2 * 10**9 - 1, (2,)), (2 * 10**9, (2,))):
        (store.folder / "v1/tmp/folder").mkdir(exist_ok=True)
        (store.folder / "v1/tmp/part").write_bytes(b"")
        os.utime(store.folder / "v1/tmp/part", ns=(0, 5))
        os.utime(store.folder / "v1/tmp/folder", ns=(0, 5))
        store.remove_abandoned(5 + age_ns, *age)
        left.append(sorted(temporary(store)))

    assert left == [["folder", "part"], ["folder"]] * 2
    Store(store.folder / "none").remove_abandoned(DAY_NS)


def test_a_claim_is_a_lock_that_goes_away(store: Store) -> None:
    """Nobody else has it meanwhile; it is freed when the work fails, too."""
    with pytest.raises(ValueError, match="work"), store.claimed("key", "step"):
        with (store.folder / "v1/tmp/key.lock").open("w") as other:
            assert try_lock(other) is False
        raise ValueError("work")

    assert temporary(store) == []
    with store.claimed("key", "step"):
        assert temporary(store) == ["key.lock"]


def test_a_store_that_cannot_be_written_gives_every_process_the_claim(tmp_path: Path) -> None:
    """Then work may be done twice."""
    (tmp_path / "file").write_text("")
    claims = Store(tmp_path / "file"), Store(tmp_path / "file")

    with claims[0].claimed("key", "step"), claims[1].claimed("key", "step"):
        pass


def test_the_folder_has_the_version_of_the_format(store: Store) -> None:
    """Another version of etbuild may have another one."""
    assert module.FORMAT == 1
    assert sorted(path.name for path in (store.folder / "v1").iterdir()) == ["blobs", "lists", "tmp"]
