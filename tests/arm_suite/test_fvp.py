"""The stand-in for Arm's FVP: it answers as ExecuTorch's tests ask, and fails as they expect a simulator to fail."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from host_programs import FILES, zeros

from etbuild.arm_suite import fvp
from etbuild.errors import UsageError
from etbuild.host.program import HostProgram

U55 = "FVP_Corstone_SSE-300_Ethos-U55"


def words(folder: Path, line: str) -> list[str]:
    cwd = f"cpu0.semihosting-cwd={folder}"
    return ["-C", "ethosu.num_macs=128", "-C", cwd, "-C", f"cpu0.semihosting-cmd_line='{line}'", "--timelimit", "60"]


def started(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The stand-in, found on PATH."""
    (folder / "installed").mkdir()
    programs, _ = fvp.install(folder / "installed")
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run([U55, *arguments], env=environment, capture_output=True, text=True, check=False)


def test_the_request_is_read_from_the_settings_of_any_board(tmp_path: Path) -> None:
    """Both boards prefix their settings in their own way."""
    line = "executor_runner -m program.pte -o out -i i0.bin -i i1.bin"
    board = [word.replace("cpu0.", "mps4_board.subsystem.cpu0.") for word in words(tmp_path, line)]
    wanted = fvp.Request(tmp_path, "program.pte", "out", ("i0.bin", "i1.bin"), 60)

    assert fvp.parse(words(tmp_path, line)) == wanted
    assert fvp.parse(board) == wanted


def test_a_command_line_that_runs_no_program_is_refused() -> None:
    """With what it wants."""
    with pytest.raises(UsageError, match=r"FVP: got -C cpu0\.semihosting-cwd=/tmp, wanted"):
        fvp.parse(["-C", "cpu0.semihosting-cwd=/tmp"])


def test_the_files_that_executorch_looks_for_are_there(tmp_path: Path) -> None:
    """One program for each simulator, one runner for each board and choice of kernels."""
    programs, root = fvp.install(tmp_path)

    assert sorted(path.name for path in programs.iterdir()) == sorted(fvp.PROGRAMS)
    assert len(list(root.glob("arm_test/arm_semihosting_executor_runner_*/arm_executor_runner"))) == 6


@pytest.mark.e2e
def test_it_says_its_version(tmp_path: Path) -> None:
    """That is how ExecuTorch's tests find out whether a simulator is installed."""
    done = started(tmp_path, "--version")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(f"a stand-in for {U55}\n")


@pytest.mark.e2e
def test_it_runs_a_program_as_the_host_does(tmp_path: Path) -> None:
    """Inputs from files, outputs to files."""
    shutil.copy(FILES / "linear_u55.pte", tmp_path / "program.pte")
    program = HostProgram(FILES / "linear_u55.pte")
    x = np.random.default_rng(1).normal(0, 1, program.inputs[0].shape).astype(np.float32)
    (tmp_path / "i0.bin").write_bytes(x.tobytes())

    done = started(tmp_path, *words(tmp_path, "executor_runner -m program.pte -o out -i i0.bin"))

    assert (done.returncode, done.stdout, done.stderr) == (0, "1 outputs\n", "")
    assert (tmp_path / "out-0.bin").read_bytes() == program.run(x)[0].tobytes()


@pytest.mark.e2e
def test_a_program_that_fails_ends_with_an_error(tmp_path: Path) -> None:
    """On standard error, with exit code 1, and without a traceback."""
    (tmp_path / "program.pte").write_bytes(b"no program")

    done = started(tmp_path, *words(tmp_path, "executor_runner -m program.pte -o out"))

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"{tmp_path}/program.pte: ")
    assert "Traceback" not in done.stderr


@pytest.mark.e2e
def test_an_input_of_another_size_is_refused(tmp_path: Path) -> None:
    """As ExecuTorch's runner does."""
    shutil.copy(FILES / "linear_u55.pte", tmp_path / "program.pte")
    wanted = zeros(HostProgram(FILES / "linear_u55.pte"))[0].nbytes
    (tmp_path / "i0.bin").write_bytes(b"123")

    done = started(tmp_path, *words(tmp_path, "executor_runner -m program.pte -o out -i i0.bin"))

    assert (done.returncode, done.stderr) == (1, f"input 0: got 3 bytes, wanted {wanted}\n")
