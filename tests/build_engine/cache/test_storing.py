"""The cache alone: what is stored of a run, what of it is found again, and what is refused."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from memory_cache import STEP, TRACED, UNSIGNED, MemoryRemote, fetch, find, names, record, state, store

from etbuild.build_engine.cache import cache as module
from etbuild.build_engine.cache.action import Action
from etbuild.build_engine.cache.cache import Cache
from etbuild.build_engine.cache.key import second_key
from etbuild.build_engine.cache.signing import seal, unseal
from etbuild.build_engine.cache.store import Store, name_of
from etbuild.build_engine.decision import Record


def test_without_a_store_there_is_no_cache(ran: Path) -> None:
    """Not even of a remote."""
    remote = MemoryRemote()
    cache = Cache(remote=remote)
    store(cache, ran)

    with cache.claimed("", "step"):
        assert (cache.key(STEP, state()), find(cache), remote.asked) == ("", None, [])


def test_what_was_stored_is_found_and_fetched(local: Store, ran: Path, tmp_path: Path) -> None:
    """The record, the files, and the empty folder; while a key is claimed its lock is held."""
    cache = Cache(local)
    store(cache, ran)
    found = find(Cache(local))

    assert found is not None and found.record == record(ran)
    targets = tmp_path / "new/targets"
    assert fetch(cache, found, targets) is True
    assert ((targets / "0").read_bytes(), (targets / "1/b").read_bytes()) == (b"1", b"2")
    assert list((targets / "2").iterdir()) == []
    with cache.claimed("key", "step"):
        assert (local.folder / "v1/tmp/key.lock").exists()


@pytest.mark.parametrize("output", ["build/a.bin", "build/tree/b", "build/empty/more"])
def test_outputs_that_are_still_being_written_are_not_stored(local: Store, ran: Path, output: str) -> None:
    """A process of the step that goes on after its end: one output that is not what was hashed is enough."""
    remote = MemoryRemote()
    cache = Cache(local, remote, UNSIGNED)
    hashed = record(ran)
    (ran / output).write_bytes(b"still written")

    cache.store(STEP, cache.key(STEP, state()), hashed, ran)

    assert (names(local), remote.content) == ([], {})


@pytest.mark.parametrize(
    "changed",
    [
        Record(STEP.argv, {"vela": "5"}, {"export.py": "s"}, {"model.py": "m2"}),
        Record(STEP.argv, {"vela": "4"}, {"export.py": "s"}, {"model.py": "m1"}),
        Record(STEP.argv, {"vela": "5"}, {"export.py": "t"}, {"model.py": "m1"}),
        Record(STEP.argv, {"vela": "5"}, {"export.py": "s"}, {"model.py": "m1"}, {"more.py": "d"}),
    ],
)
def test_a_record_that_says_something_else_than_its_name_is_no_answer(changed: Record) -> None:
    """Input, tool, source, or more that was read: each alone."""
    same = Record(STEP.argv, {"vela": "5"}, {"export.py": "s"}, {"model.py": "m1"})
    name = name_of("actions", second_key("first", {}))
    answers = [module._answers(Action(name, one, ()), STEP, "first", state()) for one in (same, changed)]

    assert answers == [True, False]
    assert not module._answers(Action(name, same, ()), STEP, "other", state())


def test_each_list_of_what_runs_have_read_is_tried(local: Store, ran: Path) -> None:
    """Sixteen of them, newest first; one that is known is not stored again."""
    cache = Cache(local)
    for number in range(18):
        store(cache, ran, TRACED, {f"{number}.py": f"digest of {number}.py", "a.py": "digest of a.py"})
    key = cache.key(TRACED, state())
    (file,) = (local.folder / "v1/lists").rglob(key)
    before = file.stat().st_ino
    store(cache, ran, TRACED, {"9.py": "digest of 9.py", "a.py": "digest of a.py"})

    body, mark = unseal(name_of("lists", key), file.read_bytes()) or (b"", b"")
    assert (json.loads(body), mark) == ([sorted([f"{number}.py", "a.py"]) for number in range(17, 1, -1)], b"-")
    assert file.stat().st_ino == before
    found = find(cache, TRACED, **{"17.py": "other", "16.py": None})
    assert found is not None and found.record.discovered == {"15.py": "digest of 15.py", "a.py": "digest of a.py"}
    assert find(cache, TRACED, **{"a.py": "other"}) is None


def test_no_more_than_sixteen_lists_are_tried(local: Store, ran: Path) -> None:
    """Each costs a look at its files, and anybody may have written them."""
    cache = Cache(local)
    store(cache, ran, TRACED, {"a.py": "digest of a.py"})
    name = name_of("lists", cache.key(TRACED, state()))
    found = []
    for before in (15, 16):
        local.write(name, seal(name, json.dumps([*[[str(number)] for number in range(before)], ["a.py"]]).encode()))
        found.append(find(cache, TRACED) is not None)

    assert found == [True, False]


def test_a_step_without_a_depfile_has_no_lists(local: Store, ran: Path) -> None:
    """One record and its blobs."""
    store(Cache(local), ran)

    assert [name.split("/")[0] for name in names(local)] == ["actions", "blobs", "blobs"]


def test_a_hit_writes_nothing_to_the_local_store_again(local: Store, ran: Path, tmp_path: Path) -> None:
    """The record keeps its file."""
    cache = Cache(local)
    store(cache, ran)
    found = find(cache)
    assert found is not None
    before = (local.folder / "v1" / found.name).stat().st_ino

    assert fetch(cache, found, tmp_path)
    assert (local.folder / "v1" / found.name).stat().st_ino == before


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("a.py", True),
        ("a/build/b", True),
        ("a/..b", True),
        ("{file}", True),
        ("{folder}", False),
        ("{link to a device}", False),
        ("/dev/null", False),
        ("/proc/self/status", False),
        ("/sys/kernel/notes", False),
        ("/gone", False),
        ("/a\0b", False),
        ("../a.py", False),
        ("a/../b", False),
        ("build", False),
        ("build/a", False),
        ("", False),
        (".", False),
    ],
)
def test_a_list_leads_only_to_files_that_a_step_may_read(tmp_path: Path, path: str, allowed: bool) -> None:
    """Within the project, or a regular file outside it; a list may come from anybody."""
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to("/dev/null")
    for name, real in (("{file}", "file"), ("{folder}", ""), ("{link to a device}", "link")):
        path = path.replace(name, str(tmp_path / real))

    assert module._digest(state(), path) == (f"digest of {path}" if allowed else "")
    assert module._digest(state(**{path: None}), path) == ""


@pytest.mark.parametrize("error", [OSError("loop of links"), ValueError("embedded null byte")])
def test_a_path_that_cannot_be_looked_up_is_unknown(error: Exception) -> None:
    """Whatever is wrong with it."""

    def refuse(path: object) -> str | None:
        raise error

    assert module._digest(replace(state(), digest=refuse), "a.py") == ""


def test_a_file_in_the_memory_of_a_device_is_not_read() -> None:
    """It is a regular one, but no source."""
    with tempfile.NamedTemporaryFile(dir="/dev/shm") as shared:
        assert Path(shared.name).is_file()
        assert module._digest(state(), shared.name) == ""
