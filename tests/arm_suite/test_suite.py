"""ExecuTorch's Arm tests on the emulated NPU, as slow tests: what CI runs of them is in test_one_per_function.py."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e


def suite(output: Path, *options: str, code: int = 0) -> list[str]:
    """Run it; a line for each result, sorted."""
    command = [sys.executable, "-m", "etbuild.arm_suite", "--output", str(output), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    data = json.loads((output / "table.json").read_text(encoding="utf-8"))
    rows = [row for row in data["results"] if row["function"]]
    return [f"{row['function']} {row['verdict']} {[found[0] for found in row.get('tosa', [])]}" for row in rows]


@pytest.mark.slow
def test_a_sample_passes_and_is_exact(tmp_path: Path) -> None:
    """The first case of every 130th function; test_one_per_function.py has one of each. Compilation on the host has no
    program to compare."""
    lines = suite(tmp_path, "--every", "130")

    assert len(lines) == 5
    assert [line for line in lines if " failed " in line] == []
    assert sum("['exact']" in line for line in lines) >= 2


@pytest.mark.slow
def test_control_flow_is_exact_on_u85(tmp_path: Path) -> None:
    """torch.cond, and a loop."""
    chosen = "u85 and (two_in_two_out or nested)"

    assert suite(tmp_path, "ops/test_cond.py", "ops/test_while.py", "-k", chosen) == [
        "test_cond_u85_INT passed ['exact']",
        "test_while_loop_u85_INT passed ['exact']",
    ]


@pytest.mark.slow
def test_a_run_that_is_resumed_repeats_nothing(tmp_path: Path) -> None:
    """What has a result is left out, and stays in the table; so does the number of all tests."""
    options = ("ops/test_abs.py", "--npus", "u55", "--jobs", "1")
    first = suite(tmp_path, *options, "-k", "zeros")
    (tmp_path / "results.count").write_text("1000", encoding="utf-8")
    again = suite(tmp_path, *options, "-k", "zeros or ones", "--resume")

    assert (len(first), len(again)) == (1, 2)
    assert len((tmp_path / "results.jsonl").read_text(encoding="utf-8").splitlines()) == 2
    assert json.loads((tmp_path / "table.json").read_text(encoding="utf-8"))["collected"] == 1000


@pytest.mark.slow
def test_the_tests_that_the_suite_marks_as_slow_run(tmp_path: Path) -> None:
    """The settings of this project, in whose folder ExecuTorch may be installed, would leave them out."""
    (line,) = suite(tmp_path, "misc/test_conv_relu_residual_add.py", "--npus", "u55", "-k", "true")

    assert line == "test_conv_relu_residual_add_u55_INT passed ['exact']"


@pytest.mark.slow
def test_one_case_of_each_function(tmp_path: Path) -> None:
    """No failure whose cause is not known. 519 functions, 2 to 5 seconds each on an idle core."""
    lines = suite(tmp_path, "--every", "1")

    assert len(lines) > 500
