"""The four MLPerf Tiny recipes: doit -n 2 against doit -n 1, and the memory of their steps against the peer's.

    python benchmarks/parallel.py [--recipes ad kws]

Nothing of a build is cached. First from nothing: the server starts cold, and the host library is compiled. -n 1 then
leaves the second processor to both, so the ratio is limited by the work of all processes. Then with the server warm and
the library there: -n 1 has one processor alone, and the ratio says what two at a time bring. Exit code 1 when that is
less than 1.6, or a step took more memory than aot_arm_compiler on the same model.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from bench import Bench, bench

LEAST = 1.6
RECIPES = ("ad", "ic", "kws", "vww")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipes", nargs="*", default=RECIPES)
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    tasks = [f"build:{name}" for name in options.recipes]
    with bench() as ours:
        from_nothing = _speedup(ours, tasks, options.rounds, _forget_all)
        print(f"from nothing: -n 2 is {from_nothing:.2f} times as fast as -n 1", flush=True)
        speedup = _speedup(ours, tasks, options.rounds, _forget_builds)
        print(f"server warm: -n 2 is {speedup:.2f} times as fast as -n 1, wanted at least {LEAST}", flush=True)
        within = [_memory(ours, recipe) for recipe in options.recipes]
    return 0 if speedup >= LEAST and all(within) else 1


def _speedup(ours: Bench, tasks: Sequence[str], rounds: int, forget: Callable[[Bench], None]) -> float:
    """The time of -n 1 by that of -n 2, each the best of so many rounds."""
    taken: dict[str, list[float]] = {"1": [], "2": []}
    for _ in range(rounds):
        for jobs, seconds in taken.items():
            forget(ours)
            seconds.append(ours.doit("-n", jobs, *tasks).seconds)
            print(f"-n {jobs}: {seconds[-1]:.1f} s", flush=True)
    return min(taken["1"]) / min(taken["2"])


def _forget_all(ours: Bench) -> None:
    ours.stop_server()
    ours.forget()


def _forget_builds(ours: Bench) -> None:
    """Keep the server and the host library; the firmware's objects are compiled again."""
    ours.wait_until_warm()
    ours.clean()
    ours.forget_objects()


def _memory(ours: Bench, recipe: str) -> bool:
    """Whether no step of the recipe took more than the peer; print the one that took most."""
    peer = ours.peer(recipe, ours.targets(recipe)[0]).peak_bytes
    peaks = {name: size for name, size in ours.peaks().items() if name.split("@")[0].endswith(f".{recipe}")}
    step = max(peaks, key=peaks.__getitem__)
    ratio = peaks[step] / peer
    print(f"{step:<32} {peaks[step] >> 20} MiB, peer {peer >> 20} MiB, ratio {ratio:.2f}, wanted at most 1", flush=True)
    return ratio <= 1


if __name__ == "__main__":
    sys.exit(main())
