"""Which records were found to agree with what is there, remembered so that they need no reading. It decides nothing.

A record that `reasons` had nothing to say against says nothing new while its file is the one that it was and what is
there is the same: settings, tools, our own source, and every digest.
"""

from __future__ import annotations

import hashlib
import json
import marshal
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etbuild.system.atomic import write_whole
from etbuild.system.digests import AT_REST_NS, Stamp

if TYPE_CHECKING:
    from etbuild.build_engine.decision import Present, Record
    from etbuild.build_engine.step import Step


class Agreements:
    """Of one project, kept in one JSON file between runs.

    memory: the file; a missing or damaged one only costs time. By step: the stamp of its record, the facts that
            agreed with it, and the files that the step had discovered.
    """

    def __init__(self, present: Present, memory: Path):
        self._present = present
        self._memory = memory
        self._changed = False
        self._known: dict[str, tuple[list[int], str, list[str]]] = {}
        self._sources: dict[str, str] = {}
        with suppress(OSError, ValueError):
            known = json.loads(memory.read_bytes())
            if isinstance(known, dict):
                self._known = known

    def holds(self, step: Step, stamp: Stamp) -> bool:
        """Whether the record with this stamp agrees with what is there now."""
        try:
            known, facts, discovered = self._known[step.name]
            return tuple(known) == stamp and facts == self._present_facts(step, discovered)
        except (KeyError, TypeError, ValueError):
            return False

    def note(self, step: Step, stamp: Stamp, record: Record) -> None:
        """The record, read after its stamp was taken, agreed. Not kept when it may change under that stamp."""
        if stamp[4] + AT_REST_NS <= time.time_ns():
            facts = _facts(
                record.argv, record.tools, _short(record.source), (record.inputs, record.discovered, record.outputs)
            )
            self._known[step.name] = (list(stamp), facts, list(record.discovered))
            self._changed = True

    def save(self) -> None:
        """Write the memory; a disk that refuses costs time at the next run and nothing else."""
        if not self._changed:
            return
        with suppress(OSError):
            write_whole(self._memory, json.dumps(self._known, separators=(",", ":")))
        self._changed = False

    def _present_facts(self, step: Step, discovered: Iterable[str]) -> str:
        if step.kind not in self._sources:
            self._sources[step.kind] = _short(self._present.source(step))
        digest = self._present.digest
        files = [{path: digest(path) or "" for path in paths} for paths in (step.reads, discovered, step.writes)]
        return _facts(step.argv, self._present.tools(step), self._sources[step.kind], files)


def _facts(argv: Sequence[str], tools: Mapping[str, str], source: str, files: Sequence[Mapping[str, str]]) -> str:
    """All that is compared, as one digest; in another order it is another one, which costs a comparison."""
    return _short((argv, tools, source, *files))


def _short(facts: Any) -> str:
    # Version 2 of marshal: the same bytes for what is equal; later ones mark objects that are shared.
    return hashlib.sha256(marshal.dumps(facts, 2)).hexdigest()
