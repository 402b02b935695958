"""Whether what a run has read changed while it ran. It decides nothing about the next run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etbuild import PACKAGE
from etbuild.system.facts import is_fact

if TYPE_CHECKING:
    from etbuild.build_engine.decision import Record
    from etbuild.build_engine.depfile import Depfile
    from etbuild.build_engine.workspace import Workspace


def inputs_unchanged(workspace: Workspace, record: Record, started_ns: int) -> bool:
    """Whether nothing that the run read changed during it, so that its outputs are right for others too."""
    read = {**record.inputs, **{str(PACKAGE / file): digest for file, digest in record.source.items()}}
    read |= record.discovered
    unchanged = all(_digest_if_unchanged(workspace, path, started_ns) == digest for path, digest in read.items())
    return unchanged and all(record.discovered.values())


def value(workspace: Workspace, name: str, read: Depfile, started_ns: int) -> str:
    """What the run has seen under a name beyond its inputs; as far as it does not say, what is there now."""
    return read.seen.get(name) or _digest_if_unchanged(workspace, name, started_ns)


def _digest_if_unchanged(workspace: Workspace, path: str, started_ns: int) -> str:
    """The digest of a file that the run read; "" when it changed since the run began. Of a fact its value now."""
    if is_fact(path):
        workspace.facts.forget(path)
        return workspace.facts.of(path) or ""
    try:
        changed = (workspace.root / path).stat().st_ctime_ns > started_ns
    except OSError:
        return ""
    workspace.digests.forget(path)
    return "" if changed else workspace.digests.of(path) or ""
