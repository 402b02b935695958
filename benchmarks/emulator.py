"""MobileNetV2 224x224 on the emulated Ethos-U65-256 against the TOSA reference model: one thread, one process, one run.

    python -m benchmarks.emulator [--rounds 5]

The first run lowers the model (half a minute) and keeps the artefacts in the cache that the grid tests use.
Prints both CPU times (the least of the rounds, which alternate), their ratio, and whether the outputs are equal.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import numpy as np

from tests.npu import artifacts, grid, native
from tests.npu.corpus import OpModel

NPU = "ethos-u65-256"
LIMIT = 0.4
MODELS = Path(__file__).parents[1] / "recipes" / "models"


def mobilenet() -> OpModel:
    """The recipes' model as the grid takes it; only its example input's shape is used."""

    def make() -> object:
        sys.path.insert(0, str(MODELS))
        import mobilenetv2

        return mobilenetv2.ModelUnderTest

    return OpModel("mobilenetv2", make, ((1, 3, 224, 224),))


def main(argv: list[str]) -> int:
    """Print the comparison; 1 when the outputs differ or the ratio is above the limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args(argv).rounds
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    import tosa_reference_model as reference

    setup = grid.default_setup(NPU)
    (partition,) = artifacts.lowered(mobilenet(), "int8", setup.profile).partitions
    compiled, case = artifacts.compiled(partition.tosa, setup), partition.cases[0]
    emulator = native.emulator()
    ours, theirs = [], []
    for _ in range(rounds):
        start = time.process_time()
        verdict = grid.run_case(emulator, compiled, case)
        middle = time.process_time()
        outputs, _ = reference.run(partition.tosa, list(case.inputs))
        end = time.process_time()
        ours.append(middle - start)
        theirs.append(end - middle)
    same = verdict.state == "exact" and np.array_equal(
        np.asarray(outputs[0]).view(np.int8).ravel(), case.outputs[0].ravel()
    )
    ratio = min(ours) / min(theirs)
    print(f"MobileNetV2 224x224 on {NPU}: emulator {min(ours) * 1000:.0f} ms, TOSA reference model", end=" ")
    print(f"{min(theirs) * 1000:.0f} ms, ratio {ratio:.2f} (wanted at most {LIMIT}), outputs {verdict.state}")
    return 0 if same and ratio <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
