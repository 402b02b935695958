"""What the last builds of a project did: which steps ran, which came from the cache, when and why. It decides nothing.

build/.etbuild/builds.jsonl: a line of JSON for each build in which a step did more than be up to date, newest last.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from etbuild.system.files import write_atomic

FILE = "builds.jsonl"
# Of builds that are stored; the file is written anew when it has twice as many.
MOST = 50


@dataclass(frozen=True)
class StepRun:
    """How a step ended in a build.

    how:   ran, cached or failed.
    begin: when its turn came, in seconds since 1970; end: when its outputs were in place.
    why:   why it was not up to date.
    cache: hit, or why there was none.
    """

    name: str
    how: str
    begin: float
    end: float
    why: tuple[str, ...]
    cache: str


@dataclass(frozen=True)
class Build:
    """One build. steps: in the order in which they ended."""

    begin: float
    end: float
    steps: tuple[StepRun, ...]


def append(state: Path, build: Build) -> None:
    """Add a build. state: build/.etbuild. What cannot be written is not remembered."""
    file = state / FILE
    line = json.dumps(asdict(build), separators=(",", ":")) + "\n"
    with suppress(OSError):
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True) if file.exists() else []
        if len(lines) < 2 * MOST:
            with file.open("a", encoding="utf-8") as opened:
                opened.write(line)
        else:
            write_atomic(file, "".join([*lines[1 - MOST :], line]))


def read(state: Path) -> tuple[Build, ...]:
    """The stored builds, oldest first; a damaged line is none. state: build/.etbuild."""
    try:
        lines = (state / FILE).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ()
    return tuple(build for build in map(_build, lines[-MOST:]) if build)


def last_runs(builds: Sequence[Build]) -> dict[str, StepRun]:
    """The last successful run of each step, by its name."""
    return {step.name: step for build in builds for step in build.steps if step.how != "failed"}


def _build(line: str) -> Build | None:
    try:
        data = json.loads(line)
        steps = (
            StepRun(
                str(one["name"]),
                str(one["how"]),
                float(one["begin"]),
                float(one["end"]),
                tuple(map(str, one["why"])),
                str(one["cache"]),
            )
            for one in data["steps"]
        )
        return Build(float(data["begin"]), float(data["end"]), tuple(steps))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
