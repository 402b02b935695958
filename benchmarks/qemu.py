"""MobileNetV2 in QEMU: the NPU beside QEMU against the NPU emulated in the firmware, from the launch to the verdict.

    python -m benchmarks.qemu [--recipe mv2_u65] [--rounds 3]

Builds the recipe's .pte and expected outputs (doit), and an image with each driver, in a folder of its own. The rounds
alternate. Prints the least wall time of both, their ratio, and how many vectors were bit-exact.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from etbuild.firmware import simulators
from etbuild.hardware.boards import board_file, load_board
from etbuild.recipe.load import load
from etbuild.steps import firmware
from etbuild.verify.host_run import expected_outputs
from etbuild.verify.verdict import verdict

if TYPE_CHECKING:
    from etbuild.hardware.target import Target

ROOT = Path(__file__).resolve().parent.parent
BOARD = "qemu-mps3-an547"
DRIVERS = ("ethosu", "emulator")
LIMIT = 0.25
LIMIT_S = 900.0


def main(argv: list[str]) -> int:
    """Print the comparison; 1 when an output differs or the ratio is above the limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="mv2_u65")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(argv)
    recipe = options.recipe
    doit = str(Path(sys.executable).with_name("doit"))
    subprocess.run([doit, f"pte:{recipe}", f"golden:{recipe}"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    target = load(ROOT / f"recipes/{recipe}.yaml", ROOT, os.environ).targets[0]
    built = ROOT / "build" / recipe
    model, golden = built / target.variant, built / target.profile / "golden.npz"
    with np.load(golden) as arrays:
        wanted = expected_outputs(model / "model.pte", dict(arrays))
    seconds: dict[str, list[float]] = {driver: [] for driver in DRIVERS}
    exact = True
    with tempfile.TemporaryDirectory() as folder:
        requests = [image(Path(folder, driver), model, golden, target, driver) for driver in DRIVERS]
        for _ in range(options.rounds):
            for request in requests:
                begin = time.perf_counter()
                report = verdict(request, "qemu", simulators.simulate(request, "qemu"), wanted)
                seconds[request.driver].append(time.perf_counter() - begin)
                exact &= report["bit_exact"] == report["vectors"]
                took = seconds[request.driver][-1]
                print(f"{report['runner']}: {report['bit_exact']} of {report['vectors']}, {took:.2f} s")
    ratio = min(seconds["ethosu"]) / min(seconds["emulator"])
    print(f"{recipe}: {ratio:.3f} of the time of an NPU in the firmware, at most {LIMIT}")
    return 0 if exact and ratio <= LIMIT else 1


def image(output: Path, model: Path, golden: Path, target: Target, driver: str) -> simulators.Request:
    """The image with this driver, ready to run."""
    file = board_file(BOARD)
    assert file is not None
    output.mkdir()
    inputs = ["--pte", str(model / "model.pte"), "--manifest", str(model / "manifest.json"), "--vectors", str(golden)]
    npu = ["--npu", target.npu, "--memory-mode", target.memory_mode, "--driver", driver, "--stack", "16384"]
    firmware.main(["--board", BOARD, *npu, *inputs, "--output", str(output)])
    elf = output / "firmware.elf"
    return simulators.Request("qemu", load_board(file), driver, target.npu, elf, LIMIT_S)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
