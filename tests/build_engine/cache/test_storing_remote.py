"""The cache with a remote in memory: what is asked for, what is sent, and what happens where one of the two fails."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from memory_cache import ONE, STEP, TRACED, UNSIGNED, MemoryRemote, fetch, find, names, state, store

from etbuild.build_engine.cache.cache import Cache
from etbuild.build_engine.cache.signing import Keys, unseal
from etbuild.build_engine.cache.store import Store, name_of
from etbuild.system.environment import CacheSettings


def test_the_remote_is_asked_when_the_local_store_has_no_answer(local: Store, ran: Path, tmp_path: Path) -> None:
    """What was fetched is local from then on, marked with where it came from."""
    remote = MemoryRemote()
    store(Cache(Store(tmp_path / "other"), remote, UNSIGNED), ran, TRACED, {"a.py": "digest of a.py"})
    remote.asked.clear()
    cache = Cache(local, remote, UNSIGNED)
    found = find(cache, TRACED)
    assert found is not None
    targets = {output: tmp_path / str(number) for number, output in enumerate(STEP.outputs)}

    assert cache.fetch(TRACED, cache.key(TRACED, state()), found, targets) is True
    sizes = {str(name).split("/")[0]: size for _, name, size in remote.asked}
    assert sizes == {"lists": 0, "actions": 0, "blobs": 1}
    remote.asked.clear()
    assert find(cache, TRACED) == found and remote.asked == []
    for name in names(local):
        if not name.startswith("blobs/"):
            assert (unseal(name, (local.folder / "v1" / name).read_bytes()) or (b"", b""))[1] == b"unsigned"
    assert [name.split("/")[0] for name in names(local)] == ["actions", "blobs", "blobs", "lists"]


def test_what_the_remote_has_is_not_sent_again(local: Store, ran: Path) -> None:
    """Blobs of that size; the record comes after all of them, then the list."""
    remote = MemoryRemote()
    remote.content[name_of("blobs", ONE)] = b"1"
    store(Cache(local, remote, UNSIGNED), ran, TRACED)

    assert [str(name).split("/")[0] for how, name, *_ in remote.asked if how == "write"] == [
        "blobs",
        "actions",
        "lists",
    ]


def test_a_read_only_remote_gets_nothing(local: Store, ran: Path) -> None:
    """The local store does."""
    remote = MemoryRemote(read_only=True)
    store(Cache(local, remote, UNSIGNED), ran)

    assert remote.content == {} and len(names(local)) == 3


def test_a_blob_that_is_damaged_in_the_remote_is_replaced(local: Store, ran: Path, tmp_path: Path) -> None:
    """After the run; whatever size it has. All other blobs are fetched all the same, and the record is deleted."""
    remote = MemoryRemote()
    store(Cache(Store(tmp_path / "other"), remote, UNSIGNED), ran)
    blob = name_of("blobs", ONE)
    remote.content[blob] = b"x"
    cache = Cache(local, remote, UNSIGNED)
    found = find(cache)
    assert found is not None
    local.write(found.name, b"old record")

    assert fetch(cache, found, tmp_path) is False
    assert local.read(found.name) is None
    assert (tmp_path / "1/b").exists() and not (tmp_path / "0").exists()
    store(cache, ran)
    assert remote.content[blob] == b"1"


def test_a_blob_that_nobody_has_is_a_miss(local: Store, ran: Path, tmp_path: Path) -> None:
    """With and without a remote; the record is deleted."""
    for number, cache in enumerate((Cache(local), Cache(local, MemoryRemote(read_only=True), UNSIGNED))):
        store(cache, ran)
        local.delete(name_of("blobs", ONE))
        found = find(cache)
        assert found is not None
        (tmp_path / f"targets {number}").mkdir()

        assert fetch(cache, found, tmp_path / f"targets {number}") is False
        assert find(cache) is None


def test_a_target_that_cannot_be_written_is_a_miss(local: Store, ran: Path, tmp_path: Path) -> None:
    """A folder of that name is there."""
    remote = MemoryRemote()
    store(Cache(Store(tmp_path / "other"), remote, UNSIGNED), ran)
    cache = Cache(local, remote, UNSIGNED)
    found = find(cache)
    assert found is not None
    (tmp_path / "0").mkdir()

    assert fetch(cache, found, tmp_path) is False


def test_a_damaged_record_is_deleted_where_it_is_ours(local: Store, ran: Path) -> None:
    """A remote is not ours to delete from."""
    remote = MemoryRemote()
    cache = Cache(local, remote, UNSIGNED)
    store(cache, ran)
    (name,) = [name for name in names(local) if name.startswith("actions/")]
    local.write(name, b"damaged")
    remote.content[name] = b"damaged"

    assert find(cache) is None
    assert name not in names(local) and name in remote.content


def test_a_store_that_fails_is_reported(
    local: Store, ran: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """At the first failure, with what the system says."""

    def put(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(local, "put", put)
    store(Cache(local), ran)

    assert capfd.readouterr().err == (
        f"{local.folder}: got No space left on device, wanted a cache that can be written\n"
        "    the build goes on without storing in it\n"
    )


@pytest.mark.parametrize(
    ("error", "got"), [(OSError(28, "No space left on device"), "No space left on device"), (OSError("text"), "text")]
)
def test_a_store_that_fails_is_not_tried_again(
    local: Store,
    ran: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    error: OSError,
    got: str,
) -> None:
    """By two threads at once, or one after the other: one message. The remote is written all the same."""
    remote, together, tried = MemoryRemote(), threading.Barrier(2, timeout=60), []

    def put(*_: object) -> None:
        tried.append(1)
        together.wait()
        raise error

    monkeypatch.setattr(local, "put", put)
    cache, folders = Cache(local, remote, UNSIGNED), [ran / "one", ran / "two"]
    for folder in folders:
        folder.mkdir()
    threads = [threading.Thread(target=store, args=(cache, folder)) for folder in folders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store(cache, ran)

    assert len(tried) == 2 and len(remote.content) == 3
    assert capfd.readouterr().err == (
        f"{local.folder}: got {got}, wanted a cache that can be written\n    the build goes on without storing in it\n"
    )


@pytest.mark.parametrize(
    ("folder", "url", "read_only", "unsigned", "expected"),
    [
        (None, "s3://a", False, True, (None, None, None)),
        ("cache", None, False, True, ("cache", None, None)),
        ("cache", "s3://a", False, True, ("cache", "s3://a", True)),
        ("cache", "s3://a", True, True, ("cache", "s3://a", False)),
        ("cache", "s3://a", False, False, ("cache", "s3://a", False)),
    ],
)
def test_a_cache_is_made_from_settings(
    folder: str | None, url: str | None, read_only: bool, unsigned: bool, expected: tuple[object, ...]
) -> None:
    """What nobody could accept is not written to a remote: records without a signature, where they are read signed."""
    cache = Cache.of(CacheSettings(Path(folder) if folder else None, url, read_only, "", "", unsigned))
    remote = cache._remote

    assert expected == (
        str(cache._store.folder) if cache._store else None,
        remote.location if remote else None,
        remote.writable if remote else None,
    )
    assert folder is None or cache._keys == Keys(unsigned=unsigned)
