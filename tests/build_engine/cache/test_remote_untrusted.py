"""A remote cache that anybody may have written: forged records, damaged blobs, paths that lead elsewhere."""

import json
import os
from pathlib import Path

import pytest
from cached_project import STEP, TRACED, Elsewhere, Machine, outputs, stored_files
from forged_records import opened, the_action, write

from etbuild.build_engine.cache import action as action_module
from etbuild.build_engine.cache import cache as cache_module
from etbuild.build_engine.cache.action import StoredFile
from etbuild.build_engine.cache.signing import seal
from etbuild.build_engine.cache.store import name_of
from etbuild.system.digests import Digests


def test_a_blob_with_another_digest_is_built_again_and_replaced(
    machine: Machine, shared: Path, elsewhere: Elsewhere
) -> None:
    """Content is checked by its digest, whoever signed the record."""
    first = elsewhere("first")
    first.run(STEP)
    for path in stored_files(shared, "blobs"):
        path.write_bytes(b"x" * path.stat().st_size)
    second, third = elsewhere("second"), elsewhere("third")

    assert (second.run(STEP).how, third.run(STEP).how) == ("ran", "cached")
    assert outputs(second) == outputs(third) == outputs(first)


@pytest.mark.parametrize(
    "target",
    [
        ["build/r/folder", "../../../escaped"],
        ["build/r/folder", "a/../../../../escaped"],
        ["build/r/folder", "/escaped"],
        ["build/r/folder", "a\0b"],
        ["build/r/folder", "a\ud800b"],
        ["build/r/folder", 7],
        ["build/r/folder", "\x1b]0;owned\x07"],
        ["build/r/../../escaped", ""],
        ["model.py", ""],
        [["build/r/folder"], ""],
    ],
)
def test_a_record_that_would_write_elsewhere_is_a_miss(
    machine: Machine, shared: Path, elsewhere: Elsewhere, target: list[object]
) -> None:
    """A cache may write the step's outputs and nothing else, whoever has filled it."""
    elsewhere("first").run(STEP)
    action = the_action(shared)
    head, record = opened(action)
    rows = [[*target, *json.loads(head)[0][2:]], *json.loads(head)]
    write(action, json.dumps(rows).encode(), record)

    assert not action_module._is_of(StoredFile(*rows[0]), STEP)
    assert elsewhere("second").run(STEP).how == "ran"
    assert not list(machine.base.rglob("escaped"))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("seconds", "soon"),
        ("seconds", float("nan")),
        ("seconds", -1),
        ("peak_bytes", 1 << 60),
        ("peak_bytes", "many"),
        ("peak_bytes", 0.5),
        ("argv", ["--x", "2"]),
        ("inputs", {"model.py": 7}),
        ("outputs", {"build/r/a.bin": None, "build/r/folder": None}),
        # The blobs have the digests of the list of files; only the record contradicts them.
        ("outputs", {"build/r/a.bin": "0" * 64, "build/r/folder": "0" * 64}),
        ("discovered", {"blocks.py": ["7"]}),
        ("tools", {"python": {}}),
    ],
)
def test_a_record_with_impossible_fields_is_a_miss(
    machine: Machine, shared: Path, elsewhere: Elsewhere, field: str, value: object
) -> None:
    """It would become the checkout's own record, and fail one build after the other."""
    elsewhere("first").run(STEP)
    action = the_action(shared)
    head, record = opened(action)
    write(action, head, json.dumps(json.loads(record) | {field: value}).encode())

    assert elsewhere("second").run(STEP).how == "ran"
    assert elsewhere("third").run(STEP).how == "cached"


@pytest.mark.parametrize("size", [-1, 10**30])
def test_a_blob_of_an_impossible_size_is_not_asked_for(
    machine: Machine, shared: Path, elsewhere: Elsewhere, size: int
) -> None:
    """The time-out of a request grows with its size."""
    elsewhere("first").run(STEP)
    action = the_action(shared)
    head, record = opened(action)
    write(action, json.dumps([[*row[:3], size, row[4]] for row in json.loads(head)]).encode(), record)

    assert elsewhere("second").run(STEP).how == "ran"


@pytest.mark.parametrize(
    "path", ["/dev/zero", "../../../../../../../../../../dev/zero", "/", "", ".", "build", "/proc/self/environ"]
)
def test_a_list_leads_to_files_and_not_to_devices(
    machine: Machine, shared: Path, elsewhere: Elsewhere, path: str
) -> None:
    """What never ends is never read."""
    machine.behave(imports=("blocks.py",))
    elsewhere("first").run(TRACED)
    (known,) = stored_files(shared, "lists")
    known.write_bytes(seal(name_of("lists", known.name), json.dumps([[path]]).encode()))

    assert elsewhere("second").run(TRACED).how == "ran"


def test_an_unsigned_list_has_no_huge_file_read_outside_the_project(
    machine: Machine, shared: Path, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its author may know of a disk image that takes hours to hash."""
    machine.behave(imports=("blocks.py",))
    elsewhere("first").run(TRACED)
    huge = tmp_path / "disk.img"
    with huge.open("w") as file:
        file.truncate((1 << 30) + 1)
    (known,) = stored_files(shared, "lists")
    known.write_bytes(seal(name_of("lists", known.name), json.dumps([["blocks.py", str(huge)]]).encode()))
    read: list[str] = []
    of = Digests.of
    monkeypatch.setattr(Digests, "of", lambda self, path: read.append(str(path)) or of(self, path))

    assert elsewhere("second").run(TRACED).how == "ran"
    assert "model.py" in read
    assert str(huge) not in read


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"[[]]\n{}",
        b"[[1, 2, 3, 4]]\n",
        b"\xff\n\xff",
        b"7\n7",
        b"[7]\n{}",
        b"[" * 99999,
        b"[]\n" + b"[" * 99999,
    ],
    ids=lambda body: body[:9].decode(errors="replace"),
)
def test_a_record_that_cannot_be_read_is_a_miss(
    machine: Machine, shared: Path, elsewhere: Elsewhere, body: bytes
) -> None:
    """Of actions and of lists, with a right header."""
    machine.behave(imports=("blocks.py",))
    elsewhere("first").run(TRACED)
    for kind in ("actions", "lists"):
        for path in stored_files(shared, kind):
            path.write_bytes(seal(name_of(kind, path.name), body))

    assert elsewhere("second").run(TRACED).how == "ran"
    assert elsewhere("third").run(TRACED).how == "cached"


@pytest.mark.parametrize("extra", ["/dev/zero", "pipe", "/usr", "/nonexistent", "blocks.py", "\x1b]0;owned\x07"])
@pytest.mark.parametrize("traced", [True, False])
def test_a_record_that_names_more_than_its_key_says_is_a_miss(
    machine: Machine, shared: Path, elsewhere: Elsewhere, extra: str, traced: bool
) -> None:
    """It would become the step's record: every later build would read those paths, with the cache switched off too."""
    step = TRACED if traced else STEP
    machine.behave(imports=("model.py",))
    elsewhere("first").run(step)
    action = the_action(shared)
    head, record = opened(action)
    fields = json.loads(record)
    write(action, head, json.dumps(fields | {"discovered": fields["discovered"] | {extra: "0" * 64}}).encode())
    second = elsewhere("second")
    os.mkfifo(second.workspace.root / "pipe")

    assert second.run(step).how == "ran"
    stored = second.workspace.record(step)
    assert stored is not None
    assert extra not in stored.discovered
    assert second.run(step).how == "up to date"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("inputs", {"model.py": "0" * 64}),
        ("tools", {"python": "\x1b]0;owned\x07"}),
        ("source", {"steps/export.py": "0" * 64}),
    ],
)
def test_a_record_with_other_digests_than_its_key_is_a_miss(
    machine: Machine, shared: Path, elsewhere: Elsewhere, field: str, value: object
) -> None:
    """The step would run for ever, and its reasons would print what somebody else wrote."""
    elsewhere("first").run(STEP)
    action = the_action(shared)
    head, record = opened(action)
    write(action, head, json.dumps(json.loads(record) | {field: value}).encode())
    second = elsewhere("second")

    assert second.run(STEP).how == "ran"
    assert second.run(STEP).how == "up to date"
    assert elsewhere("third").run(STEP).how == "cached"


def test_unsigned_lists_are_read_while_their_files_outside_are_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All together, to the byte; what is in the project, or absent, counts nothing."""
    monkeypatch.setattr(cache_module, "UNSIGNED_BYTES", 10)
    for name, size in (("six", 6), ("four", 4), ("one", 1)):
        (tmp_path / name).write_bytes(bytes(size))
    absent, six, four, one = (str(tmp_path / name) for name in ("absent", "six", "four", "one"))
    lists = [[absent, six], [__file__.lstrip("/")], [four], [one], []]

    assert cache_module._affordable(lists) == lists[:3]
    assert cache_module._affordable(lists[:3]) == lists[:3]
