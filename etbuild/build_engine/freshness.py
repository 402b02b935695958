"""Remembers which steps were last found up to date, so that a no-op build need not read their records.

An entry is valid while two things are unchanged: the record's stat, and a digest over argv, tool versions, sources and
the digests of all files of the step. It decides nothing: without a valid entry, `decision.reasons` does.
"""

from __future__ import annotations

import hashlib
import json
import marshal
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etbuild.system.digests import AT_REST_NS, StatKey
from etbuild.system.files import write_atomic

if TYPE_CHECKING:
    from etbuild.build_engine.decision import CurrentState, Record
    from etbuild.build_engine.step import Step


class FreshnessCache:
    """Of one project; a JSON file between runs.

    cache_file: a missing or damaged one only costs time. By step name: the stat of its record, the digest of what was
                compared, and the files that the step had discovered.
    """

    def __init__(self, current: CurrentState, cache_file: Path):
        self._current = current
        self._cache_file = cache_file
        self._changed = False
        self._entries: dict[str, tuple[list[int], str, list[str]]] = {}
        self._sources: dict[str, str] = {}
        with suppress(OSError, ValueError):
            entries = json.loads(cache_file.read_bytes())
            if isinstance(entries, dict):
                self._entries = entries

    def is_up_to_date(self, step: Step, record_stat: StatKey) -> bool:
        """Whether the step was found up to date with this record, and nothing has changed since."""
        try:
            stat, digest, discovered = self._entries[step.name]
            return tuple(stat) == record_stat and digest == self._current_digest(step, discovered)
        except (KeyError, TypeError, ValueError):
            return False

    def store(self, step: Step, record_stat: StatKey, record: Record) -> None:
        """The step was found up to date with a record that was read after its stat was taken.

        Not stored for a record so young that it could change again under the same stat.
        """
        if record_stat[4] + AT_REST_NS <= time.time_ns():
            files = (record.inputs, record.discovered, record.outputs)
            compared = _digest((record.argv, record.tools, _digest(record.source), *files))
            self._entries[step.name] = (list(record_stat), compared, list(record.discovered))
            self._changed = True

    def save(self) -> None:
        """Write the cache file; if the disk refuses, the next run only takes longer."""
        if not self._changed:
            return
        with suppress(OSError):
            write_atomic(self._cache_file, json.dumps(self._entries, separators=(",", ":")))
        self._changed = False

    def _current_digest(self, step: Step, discovered: Iterable[str]) -> str:
        if step.kind not in self._sources:
            self._sources[step.kind] = _digest(self._current.source(step))
        digest = self._current.digest
        files = [{path: digest(path) or "" for path in paths} for paths in (step.inputs, discovered, step.outputs)]
        return _digest((step.argv, self._current.tools(step), self._sources[step.kind], *files))


def _digest(facts: Any) -> str:
    """Another order of the same facts gives another digest, which only costs a full comparison."""
    # Version 2 of marshal writes equal bytes for equal objects; later versions mark shared objects.
    return hashlib.sha256(marshal.dumps(facts, 2)).hexdigest()
