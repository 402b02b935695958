"""A fresh checkout with a filled cache: how long it takes to restore everything, and what is imported for it.

    python benchmarks/cache.py                     one recipe, then all shipped ones
    python benchmarks/cache.py --recipe add_u55    this one alone

The cache is filled by another checkout first, which takes as long as the compilers take. Exit code 1 above a bar.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from pathlib import Path

from bench import Bench, bench, lay_out

ONE_S, ALL_S = 1.0, 5.0
HEAVY = {"torch", "executorch", "torchao", "ethosu", "numpy"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", help="only this one; default: mnist_u55, then all")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    one = f"build:{options.recipe or 'mnist_u55'}"
    with bench() as filled:
        filled.environment["ETBUILD_CACHE"] = str(filled.root.parent / "store")
        filled.doit("-n", "2", *([one] if options.recipe else []))
        fast = [_restored(filled, one, ONE_S, options.rounds)]
        if not options.recipe:
            fast.append(_restored(filled, "build", ALL_S, options.rounds))
        heavy = _imported(_fresh(filled), one) & HEAVY
        print(f"imported by {one}, of {', '.join(sorted(HEAVY))}: {', '.join(sorted(heavy)) or 'none'}")
    return 0 if all(fast) and not heavy else 1


def _restored(filled: Bench, task: str, most_s: float, rounds: int) -> bool:
    """Restore the task's outputs in fresh checkouts and print the times; whether the median is at most `most_s`."""
    taken = [_fresh(filled).doit(task).seconds for _ in range(rounds)]
    seconds = statistics.median(taken)
    print(f"{task:<20} {min(taken):.2f} to {max(taken):.2f} s, median {seconds:.2f} s, wanted at most {most_s} s")
    return seconds <= most_s


def _fresh(filled: Bench) -> Bench:
    """Another checkout with the same cache."""
    number = len(list(filled.root.parent.glob("fresh*")))
    return lay_out(filled.root.parent / f"fresh{number}", filled.environment)


def _imported(checkout: Bench, task: str) -> set[str]:
    doit = str(Path(sys.executable).with_name("doit"))
    command = [sys.executable, "-X", "importtime", doit, task]
    done = subprocess.run(
        command, cwd=checkout.root, env=checkout.environment, check=True, capture_output=True, text=True
    )
    return {line.rsplit("|", 1)[-1].strip().partition(".")[0] for line in done.stderr.splitlines() if "|" in line}


if __name__ == "__main__":
    sys.exit(main())
