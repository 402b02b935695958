"""Writes build/index.html after a build of reports, and how each step came to its outputs: build/pipeline.js for pages.

None is an output of a step: they say what runs have done, which differs from run to run.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etbuild.system.files import write_atomic

if TYPE_CHECKING:
    from etbuild.build_engine.execute import Outcome

INDEX = Path("build/index.html")
NOTES = Path("build/.etbuild/pipeline.json")
# A page that is opened from disk may load a script that lies next to it, and no other file.
SCRIPT = Path("build/pipeline.js")


def write_index(root: Path, outcomes: Mapping[str, Outcome], steps: Iterable[str]) -> None:
    """After a run in which something was built; or where index.html is missing, or older than a report.

    outcomes: of the steps of this run.
    steps:    the names of all steps of the project, producers first.
    """
    made = {name: outcome for name, outcome in outcomes.items() if outcome.how != "up to date"}
    recipes: dict[str, list[str]] = {}
    for name in steps:
        recipes.setdefault(name.partition(":")[2].partition("@")[0], []).append(name)
    if not made and not _is_stale(root, recipes):
        return
    notes = _notes(root / NOTES) | {name: [one.how, one.seconds, _why(one)] for name, one in made.items()}
    rows = [row for name in recipes for row in _rows(root / "build" / name / "report.json")]
    if not rows:
        return
    from etbuild.report.page.index_page import Ran, index_page

    ran = {name: [Ran(one, *notes[one]) for one in names if one in notes] for name, names in recipes.items()}
    text = index_page(rows, ran)
    rows_of_steps = json.dumps({name: [[*one] for one in own] for name, own in ran.items()})
    with suppress(OSError):  # It is written again after the next build.
        write_atomic(root / NOTES, json.dumps(notes, indent=1))
        write_atomic(root / SCRIPT, f"showPipeline({rows_of_steps});\n")
        write_atomic(root / INDEX, text)


def _is_stale(root: Path, recipes: Iterable[str]) -> bool:
    """Whether one of the files is missing, or a report was written after them: by a build that was killed."""
    try:
        written = min((root / path).stat().st_mtime_ns for path in (INDEX, SCRIPT))
    except OSError:
        return True
    for name in recipes:
        with suppress(OSError):
            if (root / "build" / name / "report.json").stat().st_ctime_ns > written:
                return True
    return False


def remove_index(root: Path, dryrun: bool) -> None:
    """Remove what `write_index` has written."""
    for path in (INDEX, SCRIPT, NOTES):
        if (root / path).exists():
            print(f"build: removing {path}")
            if not dryrun:
                (root / path).unlink(missing_ok=True)


def _notes(path: Path) -> dict[str, Any]:
    """By step: how, seconds, why; {} for a file that is missing or damaged."""
    try:
        found = json.loads(path.read_bytes())
        return {
            name: [str(how), float(seconds), str(why)] for name, (how, seconds, why) in found.items() if name and how
        }
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _rows(path: Path) -> list[Any]:
    """Of a report.json; none of one that is missing, damaged or of another version."""
    from etbuild.report.page.index_page import rows_of

    try:
        return rows_of(json.loads(path.read_bytes()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, StopIteration):
        return []


def _why(outcome: Outcome) -> str:
    first, *more = map(str, outcome.why)
    return f"{first} and {len(more)} more" if more else first
