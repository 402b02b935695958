"""Wrong options of `python -m etbuild.arm_suite`: a message and exit code 2 before anything runs."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--npus", "u55,u56"), "--npus: got 'u56', wanted some of u55,u65,u85"),
        (("--npus", ""), "--npus: got '', wanted some of u55,u65,u85"),
        (("--jobs", "0"), "--jobs: got 0, wanted at least 1"),
        (("--cases", "no.txt"), "--cases: got no.txt, wanted a file\n    an earlier run wrote fastest.txt"),
        (("--every", "-1"), "--every: got -1, wanted at least 0"),
    ],
)
def test_a_wrong_option_is_named(tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    """An NPU that does not exist would leave no test, and end as if all had passed."""
    command = [sys.executable, "-m", "etbuild.arm_suite", "--output", str(tmp_path / "out"), *words]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"{message}\n")
    assert not (tmp_path / "out").exists()
