"""`etbuild cache history`: hits and misses of the build cache in the last builds of a project. It reads no cache."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator

from etbuild.build_engine.history import MOST, Build, StepRun, read
from etbuild.build_engine.workspace import STATE
from etbuild.errors import StepError, UsageError

_WIDTH = 44
_ARROW = " -> "


def show(count: str) -> int:
    """Print the builds, oldest first, and what they were in all.

    raises: UsageError for a wrong number, StepError where nothing was built.
    """
    if not (count.isdecimal() and 1 <= int(count) <= MOST):
        raise UsageError(f'--builds: got "{count}", wanted a whole number of 1 to {MOST}')
    builds = read(STATE)[-int(count) :]
    if not builds:
        raise StepError(f"{STATE}: got no builds, wanted those of a project\n    run it where dodo.py is, after doit")
    for build in builds:
        print("\n".join(_lines(build)))
    steps = [step for build in builds for step in build.steps if step.how != "failed"]
    hits = sum(step.cache == "hit" for step in steps)
    print(f"{len(builds)} builds: {hits} hits, {len(steps) - hits} misses")
    for reason, times in Counter(_reason(step) for step in steps if step.cache != "hit").most_common():
        print(f"    {times:>4}  {reason}")
    return 0


def _lines(build: Build) -> Iterator[str]:
    begin = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(build.begin))
    hits = sum(step.cache == "hit" for step in build.steps)
    failed = sum(step.how == "failed" for step in build.steps)
    more = f", {failed} failed" if failed else ""
    ran = len(build.steps) - hits - failed
    yield f"{begin}  {build.end - build.begin:.1f} s: {hits} hits, {ran} misses{more}"
    for step in build.steps:
        what = "failed" if step.how == "failed" else "hit" if step.cache == "hit" else "miss"
        why = f"{step.cache}; " if what == "miss" else ""
        yield f"    {step.name:<{_WIDTH}} {what:<6} {step.end - step.begin:7.1f} s  {why}{'; '.join(step.why)}".rstrip()


def _reason(step: StepRun) -> str:
    """Why a step ran, without the values: "input recipes/net.py", "memory_mode"; and why the cache did not have it."""
    first = step.why[0] if step.why else "asked for"
    key = first.partition(_ARROW)[0].rpartition(": ")[0] if _ARROW in first else first
    return f"{key}; {step.cache}"
