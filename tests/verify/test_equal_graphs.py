"""Whether two TOSA graphs compute the same for random inputs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from etbuild.verify.equal_graphs import difference_on_random_inputs
from tests.rewrite.graphs import Network

ROOT = Path(__file__).parents[2]


def scaled(path: Path, shift: int) -> Path:
    network = Network((1, 4))
    path.write_bytes(network.file(network.rescale("x", (1 << 30, shift))))
    return path


def test_random_inputs_show_a_difference(tmp_path: Path) -> None:
    """A half instead of the whole number; the seed and the sample are named."""
    whole, again, half = (scaled(tmp_path / f"{name}.tosa", shift) for name, shift in (("a", 30), ("b", 30), ("c", 31)))

    assert difference_on_random_inputs(whole, again, seed=0, count=5) == ""
    assert difference_on_random_inputs(whole, half, seed=3, count=5) == "seed 3, sample 0: output 0 differs"


def test_the_benchmark_says_why_it_measures_nothing(tmp_path: Path) -> None:
    """benchmarks/tflite.py without the trained networks."""
    command = [sys.executable, str(ROOT / "benchmarks/tflite.py"), "--data", str(tmp_path / "missing")]

    done = subprocess.run(command, capture_output=True, text=True, check=True)

    wanted = "wanted the trained networks (see tflite.py --help)"
    assert done.stdout == f"skipped: got {tmp_path / 'missing'} for --data, {wanted}\n"


def test_the_benchmark_names_a_network_that_it_does_not_know() -> None:
    """It would measure nothing, and nothing would fail."""
    command = [sys.executable, str(ROOT / "benchmarks/tflite.py"), "--networks", "kws"]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    networks = "mv2_u65, mobilenet_v3, resnet50, vit_tiny"
    wanted = f"names: got kws, wanted some of {networks}\n    without a name all are measured\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", wanted)
