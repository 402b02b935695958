"""Records in a remote cache as somebody who can write there may leave them. It has no private key."""

import hashlib
import json
from pathlib import Path

from cached_project import stored_files

from etbuild.build_engine.cache.signing import NO_MARK, seal, unseal
from etbuild.build_engine.cache.store import name_of
from etbuild.system.digests import folder_digest


def forge(shared: Path, mark: bytes = NO_MARK) -> None:
    """Other outputs for every action, with records and blobs that match them."""
    blob = b"poison"
    digest = hashlib.sha256(blob).hexdigest()
    target = shared / "v1" / name_of("blobs", digest)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(blob)
    for path in stored_files(shared, "actions"):
        head, record = opened(path)
        rows = [[*row[:2], digest, len(blob), False] for row in json.loads(head)]
        found: dict[str, dict[str, str]] = {}
        for output, inner, *_ in rows:
            found.setdefault(output, {})[inner] = digest
        outputs = {output: _digest(inner) for output, inner in found.items()}
        write(path, json.dumps(rows).encode(), json.dumps(json.loads(record) | {"outputs": outputs}).encode(), mark)


def _digest(inner: dict[str, str]) -> str:
    return inner[""] if set(inner) == {""} else folder_digest(inner)


def the_action(shared: Path) -> Path:
    """The one record in the remote."""
    (action,) = stored_files(shared, "actions")
    return action


def opened(action: Path) -> tuple[bytes, bytes]:
    """The list of files, and the record of the run."""
    found = unseal(name_of("actions", action.name), action.read_bytes())
    assert found is not None
    head, _, record = found[0].partition(b"\n")
    return head, record


def write(action: Path, head: bytes, record: bytes, mark: bytes = NO_MARK) -> None:
    action.write_bytes(seal(name_of("actions", action.name), head + b"\n" + record, mark))
