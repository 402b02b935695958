"""A recipe from its model to its .pte with nothing cached, and again for another memory mode, against the peer.

    python benchmarks/warm.py [--recipe mnist_u55] [--rounds 3]

Three things in turns, so many times: the peer; our build with no server running; our build with the server that the
one before has left and that has warmed up since, then with another memory_mode. Exit code 1 when a ratio of the medians
is above its bar.
"""

from __future__ import annotations

import argparse
import statistics
import sys

from bench import bench, within

COLD, CHANGED = 0.9, 0.05
WARM = {"mnist_u55": 0.12, "mv2_u65": 0.25}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--recipe", choices=WARM, default="mnist_u55")
    options = parser.parse_args()
    rounds, task = options.rounds, f"pte:{options.recipe}"
    peer, cold, warm, changed = list[float](), list[float](), list[float](), list[float]()
    with bench() as ours:
        recipe = ours.root / f"recipes/{options.recipe}.yaml"
        text = recipe.read_text()
        (target,) = ours.targets(options.recipe)
        for _ in range(rounds):
            peer.append(ours.peer(options.recipe, target).seconds)
            ours.stop_server()
            ours.clean()
            cold.append(ours.doit(task).seconds)
            ours.wait_until_warm()
            ours.clean()
            warm.append(ours.doit(task).seconds)
            recipe.write_text(text.replace("Shared_Sram", "Sram_Only"))
            changed.append(ours.doit(task).seconds)
            recipe.write_text(text)
    theirs = statistics.median(peer)
    print(f"aot_arm_compiler: {min(peer):.2f} to {max(peer):.2f} s, {rounds} rounds")
    passed = [
        within(COLD, "nothing cached, server cold", cold, theirs),
        within(WARM[options.recipe], "nothing cached, server warm", warm, theirs),
        within(CHANGED, "another memory_mode, server warm", changed, theirs),
    ]
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
