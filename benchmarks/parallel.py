"""The four MLPerf Tiny recipes: doit -n 2 against doit -n 1, and the memory of their steps against the peer's.

    python benchmarks/parallel.py [--recipes ad kws]

Nothing is cached and the server is started cold each time. Exit code 1 when -n 2 is less than 1.6 times as fast, or a
step took more memory than aot_arm_compiler on the same model.
"""

from __future__ import annotations

import argparse
import sys

from bench import Bench, bench

LEAST = 1.6
RECIPES = ("ad", "ic", "kws", "vww")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipes", nargs="*", default=RECIPES)
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    tasks = [f"build:{name}" for name in options.recipes]
    taken: dict[str, list[float]] = {"1": [], "2": []}
    with bench() as ours:
        for _ in range(options.rounds):
            for jobs, seconds in taken.items():
                ours.stop_server()
                ours.forget()
                seconds.append(ours.doit("-n", jobs, *tasks).seconds)
                print(f"-n {jobs}: {seconds[-1]:.1f} s", flush=True)
        speedup = min(taken["1"]) / min(taken["2"])
        print(f"-n 2 is {speedup:.2f} times as fast as -n 1, wanted at least {LEAST}")
        within = [_memory(ours, recipe) for recipe in options.recipes]
    return 0 if speedup >= LEAST and all(within) else 1


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
