"""The eleven NPUs of recipe `mnist`, from the model to eleven .pte, against eleven runs of aot_arm_compiler.

    python benchmarks/sweep.py                   one cold doit, no server, no cache; the bar is 0.6
    python benchmarks/sweep.py --server          with the compile server, started cold
    python benchmarks/sweep.py --task build:mnist --npus ethos-u55-128 ethos-u85-256

The peer is `python -m executorch.backends.arm.scripts.aot_arm_compiler`, once an NPU, on the same model with the same
system config and memory mode; it neither computes expected outputs nor checks anything. Both in one run on one machine.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from etbuild.recipe_loader import load

if TYPE_CHECKING:
    from etbuild.targets import Target

ROOT = Path(__file__).resolve().parent.parent
PEER = "executorch.backends.arm.scripts.aot_arm_compiler"


def main() -> int:
    options = parser().parse_args()
    with tempfile.TemporaryDirectory(prefix="sweep") as folder:
        project = Path(folder)
        shutil.copytree(ROOT / "recipes", project / "recipes")
        shutil.copy(ROOT / "dodo.py", project)
        targets = [
            one
            for one in load(project / "recipes/mnist.yaml", project, os.environ).targets
            if not options.npus or one.npu in options.npus
        ]
        tasks = [options.task] if options.task else [f"pte:mnist@{one.variant}" for one in targets]
        parallel = ["-n", str(options.jobs)] if options.jobs > 1 else []
        ours = timed(project, ["-m", "doit", *parallel, *tasks], options)
        theirs = {one.npu: timed(project, peer(project, one), options) for one in targets}
    peer_s = sum(run.wall_s for run in theirs.values())
    told = {
        "npus": len(targets),
        "ours": vars(ours),
        "peer": {npu: vars(run) for npu, run in theirs.items()},
        "peer_wall_s": round(peer_s, 2),
        "cpu_ratio": round(ours.cpu_s / sum(run.cpu_s for run in theirs.values()), 3),
        "ratio": round(ours.wall_s / peer_s, 3),
    }
    print(json.dumps(told, indent=1))
    return 0 if ours.wall_s <= options.bar * peer_s else 1


@dataclass(frozen=True)
class Run:
    """cpu_s: user and system time of the command and all its children; a busy machine stretches it less than wall_s."""

    wall_s: float
    cpu_s: float


def peer(project: Path, target: Target) -> list[str]:
    return [
        *("-m", PEER, "--model_name", str(project / "recipes/models/mnist.py"), "--delegate", "--quantize"),
        *("--target", target.npu, "--system_config", target.system_config, "--memory_mode", target.memory_mode),
        *("--output", str(project / f"peer/{target.npu}.pte")),
    ]


def timed(project: Path, arguments: list[str], options: argparse.Namespace) -> Run:
    """One command; what it said, when it fails."""
    environment = {**os.environ, "ETBUILD_CACHE": "off", "XDG_CACHE_HOME": str(project / "cache")}
    if not options.server:
        environment["ETBUILD_SERVER"] = "off"
    begin, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, *arguments], cwd=project, env=environment, capture_output=True, text=True)
    seconds, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise SystemExit(f"python {' '.join(arguments)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Run(round(seconds, 2), round(cpu_s, 2))


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--npus", nargs="*", help="only these; all eleven by default")
    made.add_argument("--task", help="the doit task to time; the .pte of each NPU by default")
    made.add_argument("--jobs", type=int, default=1, help="doit -n")
    made.add_argument("--server", action="store_true", help="let the compile server take part")
    made.add_argument("--bar", type=float, default=0.6, help="exit code 1 beyond this ratio")
    return made


if __name__ == "__main__":
    sys.exit(main())
