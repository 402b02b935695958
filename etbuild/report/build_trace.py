"""The steps of a build as a trace for Perfetto or chrome://tracing, joined with that of a run. It measures nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from etbuild.report.figures import Json

_BUILD = 2
# A longer time without a step is between two builds, and is left out.
_MOST_IDLE_S = 1.0


class Span(NamedTuple):
    """One step. begin, end: in seconds since 1970; what: ran or cached; why: of it, one line each."""

    name: str
    what: str
    begin: float
    end: float
    why: tuple[str, ...]


def with_build(run: Json, recipe: str, spans: Sequence[Span]) -> Json:
    """The trace of a run with the build as a process of its own; both begin at 0, since they are no one moment's.

    A step that begins while another one runs is on a line below. Of the time between two builds nothing is shown:
    a step of a minute would be a point beside the hours of a day.
    """
    start = min((span.begin for span in spans), default=0.0)
    rows: list[float] = []
    events = []
    latest = start
    for span in sorted(spans, key=lambda span: span.begin):
        start += span.begin - latest if span.begin - latest > _MOST_IDLE_S else 0.0
        latest = max(latest, span.end)
        row = next((number for number, end in enumerate(rows) if end <= span.begin), len(rows))
        rows[row : row + 1] = [span.end]
        events.append(
            {
                "name": span.name,
                "cat": span.what,
                "ph": "X",
                "pid": _BUILD,
                "tid": row,
                "ts": (span.begin - start) * 1e6,
                "dur": (span.end - span.begin) * 1e6,
                "args": {"how": span.what, "why": "; ".join(span.why)},
            }
        )
    process = {"name": "process_name", "ph": "M", "pid": _BUILD, "args": {"name": f"build of {recipe}"}}
    return {**run, "traceEvents": [*run["traceEvents"], process, *events]}
