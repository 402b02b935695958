"""A remote cache that anybody may have written: forged records, damaged blobs, paths that lead elsewhere."""

import hashlib
import json
from pathlib import Path

import pytest
from cached_project import STEP, TRACED, Elsewhere, Machine, outputs, stored_files

from etbuild.build_engine.cache import action as action_module
from etbuild.build_engine.cache.action import StoredFile
from etbuild.build_engine.cache.signing import sign, verify
from etbuild.build_engine.cache.store import name_of


def forge(shared: Path, secret: bytes) -> None:
    """What a writer without the key can do: other outputs, with records and blobs that match them."""
    blob = b"poison"
    digest = hashlib.sha256(blob).hexdigest()
    target = shared / "v1" / name_of("blobs", digest)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(blob)
    for path in stored_files(shared, "actions"):
        head, record = opened(path)
        rows = [[*row[:2], digest, len(blob), False] for row in json.loads(head)]
        write(path, json.dumps(rows).encode(), record, secret)


def the_action(shared: Path) -> Path:
    """The one record in the remote."""
    (action,) = stored_files(shared, "actions")
    return action


def opened(action: Path) -> tuple[bytes, bytes]:
    """The list of files, and the record of the run."""
    body = verify(name_of("actions", action.name), action.read_bytes(), b"")
    assert body is not None
    head, _, record = body.partition(b"\n")
    return head, record


def write(action: Path, head: bytes, record: bytes, secret: bytes = b"") -> None:
    action.write_bytes(sign(name_of("actions", action.name), head + b"\n" + record, secret))


@pytest.mark.parametrize("secret", [b"", b"another key"])
def test_a_writer_without_the_key_poisons_nothing(
    machine: Machine, shared: Path, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch, secret: bytes
) -> None:
    """Its records are ignored, and replaced by right ones."""
    monkeypatch.setenv("ETBUILD_REMOTE_CACHE_KEY", "the key")
    first = elsewhere("first")
    first.run(STEP)
    forge(shared, secret)
    second, third = elsewhere("second"), elsewhere("third")

    assert (second.run(STEP).how, third.run(STEP).how) == ("ran", "cached")
    assert outputs(second) == outputs(third) == outputs(first)


def test_a_signed_record_under_another_name_is_ignored(
    machine: Machine, shared: Path, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An old action cannot be passed off as a new one."""
    monkeypatch.setenv("ETBUILD_REMOTE_CACHE_KEY", "the key")
    first = elsewhere("first")
    first.run(STEP)
    old = the_action(shared)
    (first.workspace.root / "model.py").write_text("two")
    first.run(STEP)
    (new,) = (path for path in stored_files(shared, "actions") if path != old)
    new.write_bytes(old.read_bytes())
    second = elsewhere("second")
    (second.workspace.root / "model.py").write_text("two")

    assert second.run(STEP).how == "ran"


def test_a_signed_cache_serves_those_without_the_key_too(
    machine: Machine, shared: Path, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They read it; what they write is accepted only by others without the key."""
    monkeypatch.setenv("ETBUILD_REMOTE_CACHE_KEY", "the key")
    elsewhere("first").run(STEP)
    monkeypatch.delenv("ETBUILD_REMOTE_CACHE_KEY")
    keyless = elsewhere("keyless")
    how = [keyless.run(STEP).how, keyless.run(TRACED).how]
    another = elsewhere("another keyless").run(TRACED).how
    monkeypatch.setenv("ETBUILD_REMOTE_CACHE_KEY", "the key")

    assert how == ["cached", "ran"]
    assert another == "cached"
    assert elsewhere("with the key").run(TRACED).how == "ran"


def test_a_blob_with_another_digest_is_built_again_and_replaced(
    machine: Machine, shared: Path, elsewhere: Elsewhere
) -> None:
    """With or without a key."""
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


@pytest.mark.parametrize("path", ["/dev/zero", "../../../../../../../../../../dev/zero", "/"])
def test_a_list_leads_to_files_and_not_to_devices(
    machine: Machine, shared: Path, elsewhere: Elsewhere, path: str
) -> None:
    """What never ends is never read."""
    machine.behave(imports=("blocks.py",))
    elsewhere("first").run(TRACED)
    (known,) = stored_files(shared, "lists")
    known.write_bytes(sign(name_of("lists", known.name), json.dumps([[path]]).encode(), b""))

    assert elsewhere("second").run(TRACED).how == "ran"


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
            path.write_bytes(sign(name_of(kind, path.name), body, b""))

    assert elsewhere("second").run(TRACED).how == "ran"
    assert elsewhere("third").run(TRACED).how == "cached"
