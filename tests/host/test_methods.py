"""A program with several methods, made by ExecuTorch alone: each is run by its name, on the CPU and on an NPU."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from host_programs import FILES, etbuild, zeros

from etbuild.errors import UsageError
from etbuild.host.program import HostProgram
from etbuild.host.recording import RecordedProgram

pytestmark = pytest.mark.e2e

X = np.linspace(-1, 1, 4, dtype=np.float32).reshape(1, 4)


@pytest.mark.parametrize("unit", ["cpu", "u55"])
def test_each_method_has_inputs_outputs_and_memory_of_its_own(unit: str) -> None:
    """What a method is told by its name; without a name the first, in ExecuTorch's order: that of the names."""
    file = FILES / f"methods_{unit}.pte"

    default, one, two = HostProgram(file), HostProgram(file, method="one"), HostProgram(file, method="two")

    assert [program.outputs[0].shape for program in (default, one, two)] == [(1, 3), (1, 3), (1, 5)]
    assert default.memory.planned == one.memory.planned < two.memory.planned


@pytest.mark.parametrize("method", ["one", "two"])
def test_an_npu_computes_what_the_cpu_computes(method: str) -> None:
    """Both programs have the same weights; in integers a result is off by 2 % of the largest."""
    on_cpu, on_npu = (HostProgram(FILES / f"methods_{unit}.pte", method=method) for unit in ("cpu", "u55"))

    (wanted,), (got,) = on_cpu.run(X), on_npu.run(X)

    assert np.abs(got - wanted).max() <= 0.02 * np.abs(wanted).max()


def test_delegates_are_numbered_through_the_program() -> None:
    """A method calls its own from 0; Vela's files have the program's numbers."""
    found = {name: HostProgram(FILES / "methods_u55.pte", method=name) for name in ("one", "two")}

    numbers = {name: (program.first_delegate, program.delegates) for name, program in found.items()}
    (alone,) = found["two"].run_delegate(0, [np.zeros(4, np.int8)], ["int8"])

    assert numbers == {"one": (0, 1), "two": (1, 1)}
    assert alone.shape == (5,)


def test_any_method_can_be_recorded() -> None:
    """With the instructions of that method, and not of the first."""
    program = RecordedProgram(FILES / "methods_cpu.pte", None, 16 << 20, method="two")

    recording = program.record(X)

    assert program.method.name == "two"
    assert [one.instruction for one in recording.done] == [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(recording.done[-1].values[0], recording.outputs[0])


def test_a_method_that_the_program_lacks() -> None:
    with pytest.raises(UsageError) as caught:
        HostProgram(FILES / "methods_cpu.pte", method="decode")

    assert str(caught.value) == f"{FILES / 'methods_cpu.pte'}: method: got decode, wanted one of one, two"


def test_the_command_run_takes_a_method(tmp_path: Path) -> None:
    """Its outputs, and a trace with the operations of its delegate; another name is wrong usage."""
    np.save(tmp_path / "x.npy", X)
    words = ("run", str(FILES / "methods_u55.pte"), "--input", "x.npy", "--method")

    done = etbuild(*words, "two", "--output", "out", "--trace", "trace.json", folder=tmp_path)
    refused = etbuild(*words, "decode", folder=tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    (wanted,) = HostProgram(FILES / "methods_u55.pte", method="two").run(X)
    np.testing.assert_array_equal(np.load(tmp_path / "out" / "output_0.npy"), wanted)
    assert json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    message = f"{FILES / 'methods_u55.pte'}: method: got decode, wanted one of one, two\n"
    assert (refused.returncode, refused.stdout, refused.stderr) == (2, "", message)


def test_the_command_run_says_which_of_several_methods_it_runs(tmp_path: Path) -> None:
    """The first, where none is named."""
    np.save(tmp_path / "x.npy", X)

    done = etbuild("run", str(FILES / "methods_cpu.pte"), "--input", "x.npy", folder=tmp_path)

    assert done.stdout.splitlines()[0] == "method one of one, two"


def test_inspect_shows_every_method(tmp_path: Path) -> None:
    """With its ports, and a delegate's number in its method."""
    done = etbuild("inspect", str(FILES / "methods_u55.pte"), folder=tmp_path)

    lines = [line.strip() for line in done.stdout.splitlines()]
    assert [line.partition(",")[0] for line in lines if line.startswith(("method", "output 0: float", "delegate"))] == [
        "method one: 3 instructions",
        "output 0: float32 [1",
        "delegate 0: EthosUBackend",
        "method two: 3 instructions",
        "output 0: float32 [1",
        "delegate 0: EthosUBackend",
    ]


def test_a_method_runs_on_zeros_twice_alike() -> None:
    """Two programs of one file share no memory."""
    first, second = (HostProgram(FILES / "methods_u55.pte", method=name) for name in ("one", "two"))

    before = first.run(*zeros(first))
    second.run(X)

    np.testing.assert_array_equal(first.run(*zeros(first)), before)
