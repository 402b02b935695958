"""Inputs that are no tensors: the program's value, and which other values it accepts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from host_programs import FILES, etbuild

from etbuild.errors import UsageError
from etbuild.host.program import HostProgram, TensorInfo

pytestmark = pytest.mark.e2e
X = np.linspace(-1, 1, 4, dtype=np.float32).reshape(1, 4)
NUMBERS = FILES / "numbers_cpu.pte"


@pytest.fixture(scope="module")
def numbers() -> HostProgram:
    """x, and 0.5, True, 3 and None, to which the program is fixed."""
    return HostProgram(NUMBERS)


@pytest.fixture
def open_number() -> HostProgram:
    """x, and 5, which instructions read."""
    return HostProgram(FILES / "open_number_5_cpu.pte")


def test_an_input_that_is_no_tensor_is_described_with_its_value(numbers: HostProgram, open_number: HostProgram) -> None:
    """And whether another is accepted."""
    assert numbers.inputs[1:] == (
        TensorInfo("float64", (), (), False, 0.5),
        TensorInfo("bool", (), (), False, True),
        TensorInfo("int64", (), (), False, 3),
        TensorInfo("none", (), (), False),
    )
    assert open_number.inputs[1] == TensorInfo("int64", (), (), True, 5)


@pytest.mark.parametrize(
    "given",
    [(), (0.5, True, 3, None), (None, None, None, None), (np.float32(0.5), np.bool_(True), np.array(3), None)],
    ids=["left out", "passed", "None", "of numpy"],
)
def test_the_programs_own_values_are_the_default(numbers: HostProgram, given: tuple[Any, ...]) -> None:
    """They may be passed as well; None stands for one."""
    (y,) = numbers.run(X, *given)

    np.testing.assert_array_equal(y, X * np.float32(0.5) + 3)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((0.25, True, 3, None), "input 1: got 0.25, wanted 0.5, to which the program is fixed"),
        ((0.5, False, 3, None), "input 2: got False, wanted True, to which the program is fixed"),
        ((0.5, True, 4, None), "input 3: got 4, wanted 3, to which the program is fixed"),
        ((0, True, 3, None), "input 1: got 0, wanted 0.5, to which the program is fixed"),
    ],
)
def test_another_value_than_the_program_was_exported_for_is_an_error(
    numbers: HostProgram, given: tuple[Any, ...], message: str
) -> None:
    """It would have no effect: no instruction reads the input."""
    with pytest.raises(UsageError) as caught:
        numbers.run(X, *given)

    assert str(caught.value) == f"{NUMBERS}: {message}\n    leave it out, or export the model with the other value"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((0.5, 1, 3, None), "input 2: got 1, wanted one number, bool"),
        ((0.5, True, 3.0, None), "input 3: got 3.0, wanted one number, int64"),
        ((0.5, True, True, None), "input 3: got True, wanted one number, int64"),
        ((X, True, 3, None), "input 1: got float32[1, 4], wanted one number, float64"),
        (("a", True, 3, None), "input 1: got 'a', wanted one number, float64"),
        ((0.5, True, 3, 1), "input 4: got a value, wanted None: the input is neither a tensor nor a number"),
        ((0.5, True), "got 3 inputs, wanted 5, or 1 without those that are no tensors"),
    ],
)
def test_a_value_of_another_type_is_an_error(numbers: HostProgram, given: tuple[Any, ...], message: str) -> None:
    """The message names the input."""
    with pytest.raises(UsageError) as caught:
        numbers.run(X, *given)

    assert str(caught.value) == f"{NUMBERS}: {message}"


def test_a_number_that_the_program_reads_may_be_another(open_number: HostProgram) -> None:
    """For one run; the next has the program's own again."""
    runs = [open_number.run(X, 7), open_number.run(X), open_number.run(X, 2)]

    assert [int(count) for _, count in runs] == [8, 6, 3]
    np.testing.assert_array_equal(runs[0][0], X * 7)
    np.testing.assert_array_equal(runs[1][0], X * 5)


def test_a_number_that_executorch_left_out_of_the_program_is_an_error() -> None:
    """It writes None for a number that torch.export leaves open; instructions that read it would fail."""
    path = FILES / "open_number_cpu.pte"

    with pytest.raises(UsageError) as caught:
        HostProgram(path).run(X, 5)

    assert str(caught.value) == (
        f"{path}: input 1: got a program that reads this input, wanted its type and value in the program\n"
        "    ExecuTorch does not write numbers that torch.export leaves open: export it with fixed ones"
    )


def test_the_command_takes_numbers(tmp_path: Path) -> None:
    """Or leaves them out."""
    np.save(tmp_path / "x.npy", X)
    words = ("run", str(NUMBERS), "--input", "x.npy")

    short = etbuild(*words, folder=tmp_path)
    wrong = etbuild(*words, "--input", "0.5", "--input", "true", "--input", "4", "--input", "none", folder=tmp_path)

    assert short.stdout.splitlines()[0] == "output 0: float32[1, 4] 2.5 2.83333 3.16667 3.5"
    assert (wrong.returncode, wrong.stderr) == (
        2,
        f"{NUMBERS}: input 3: got 4, wanted 3, to which the program is fixed\n"
        "    leave it out, or export the model with the other value\n",
    )
