"""Programs on the host: what Python sees of them, and the errors when something is wrong."""

from __future__ import annotations

import ctypes
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from host_programs import FILES, etbuild, zeros

from etbuild import RUNTIME
from etbuild.errors import MissingTool, StepError, UsageError
from etbuild.host import abi, generate, library
from etbuild.host.program import HostProgram, Memory, TensorInfo

pytestmark = pytest.mark.e2e


def test_a_program_describes_its_inputs_and_outputs(linear: HostProgram) -> None:
    """Names of types are numpy's, shapes are tuples, one delegate is found."""
    (x,), (y,) = linear.inputs, linear.outputs

    assert x == TensorInfo("float32", x.shape, tuple(range(len(x.shape))), False)
    assert y.dtype == "float32"
    assert linear.delegates == 1
    assert isinstance(linear.memory, Memory)
    assert linear.memory.temp > 0


def test_a_program_runs_twice_alike(linear: HostProgram) -> None:
    """Nothing of the first run is left in the second."""
    random = np.random.default_rng(1)
    x = random.normal(0, 1, linear.inputs[0].shape).astype(np.float32)

    first = linear.run(x)
    linear.run(*zeros(linear))
    second = linear.run(x)

    np.testing.assert_array_equal(first, second)


def test_outputs_are_the_callers(linear: HostProgram) -> None:
    """A later run does not change an array that was given away."""
    (first,) = linear.run(*zeros(linear))
    kept = first.copy()

    linear.run(*(array + 3 for array in zeros(linear)))

    np.testing.assert_array_equal(first, kept)


def test_a_branch_takes_either_side() -> None:
    """jump-false and move: torch.cond, with both answers."""
    program = HostProgram(FILES / "branch_cpu.pte")
    x = np.ones(program.inputs[0].shape, np.float32)

    (positive,), (negative,) = program.run(x), program.run(-x)

    np.testing.assert_array_equal(positive, x + 1)
    np.testing.assert_array_equal(negative, -2 * x)


@pytest.mark.parametrize("name", ["linear_u55", "linear_u65_512", "linear_u85_segment"])
def test_every_family_runs(name: str) -> None:
    """Inline and segment data, one and two cores."""
    program = HostProgram(FILES / f"{name}.pte")

    (y,) = program.run(*zeros(program))

    assert y.shape == program.outputs[0].shape
    assert np.isfinite(y).all()


def test_weights_may_lie_beside_the_program() -> None:
    """Data under a name, in the .pte itself or in a .ptd; without it the message says where it is."""
    program = HostProgram(FILES / "linear_external.pte", FILES / "weights.ptd")

    assert len(program.run(*zeros(program))) == 1


def test_a_wrong_number_of_inputs(linear: HostProgram) -> None:
    with pytest.raises(UsageError, match=r"linear_u55\.pte: got 2 inputs, wanted 1$"):
        linear.run(*zeros(linear), *zeros(linear))


def test_a_wrong_shape(linear: HostProgram) -> None:
    shape = list(linear.inputs[0].shape)
    with pytest.raises(UsageError) as caught:
        linear.run(np.zeros((9, 9), np.float32))

    assert str(caught.value) == f"{FILES / 'linear_u55.pte'}: input 0: got shape [9, 9], wanted {shape}"


def test_a_wrong_type(linear: HostProgram) -> None:
    with pytest.raises(UsageError, match=r"input 0: got float64, wanted float32$"):
        linear.run(np.zeros(linear.inputs[0].shape))


def test_an_operator_without_a_kernel_is_named_before_anything_runs() -> None:
    with pytest.raises(StepError) as caught:
        HostProgram(FILES / "two_parts_u55.pte")

    message = "aten::sort.values: there is no CPU kernel for this operator (0)"
    assert str(caught.value) == f"{FILES / 'two_parts_u55.pte'}: {message}"


def test_a_file_that_is_no_program() -> None:
    with pytest.raises(StepError) as caught:
        HostProgram(FILES / "weights.ptd")

    assert str(caught.value) == f"{FILES / 'weights.ptd'}: not a .pte: no ET12 at byte 4 (0)"


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(UsageError, match=r"absent\.pte: got No such file or directory, wanted a file$"):
        HostProgram("absent.pte")


def test_fast_scratch_that_is_too_small_is_an_error_not_a_crash() -> None:
    """What a stream addresses beyond its regions is refused."""
    program = HostProgram(FILES / "linear_u55.pte", fast_scratch=0)

    assert len(program.run(*zeros(program))) == 1


def test_a_run_can_be_observed(linear: HostProgram) -> None:
    """Kernels of the CPU and operations of the NPU, in the order in which they ran; the outputs are a run's."""
    x = zeros(linear)

    seen = linear.observe(*x, hazards=True)

    on_cpu = [event.name.split("::")[1] for event in seen.events if event.delegate is None]
    convolution = next(event for event in seen.events if event.name == "CONV")
    assert on_cpu == ["quantize_per_tensor.out", "dequantize_per_tensor.out"]
    assert convolution.macs > 0
    assert convolution.ofm is not None
    assert convolution.written[1] > 0
    assert seen.hazards == ()
    np.testing.assert_array_equal(seen.outputs, linear.run(*x))


def test_a_delegate_runs_alone(linear: HostProgram) -> None:
    """On integers; and the operation that wrote a byte of its output is known."""
    count = int(np.prod(linear.inputs[0].shape))

    (y,) = linear.run_delegate(0, [np.zeros(count, np.int8)], ["int8"])

    writer = linear.writer(0, 0, 0)
    assert y.size == int(np.prod(linear.outputs[0].shape))
    assert writer is not None and writer.name == "CONV"
    assert linear.writer(0, 0, 1 << 40) is None


@pytest.mark.parametrize("path", generate.outputs(), ids=lambda path: path.name)
def test_the_interface_is_that_of_the_header(path: Path) -> None:
    """Else run `python -m etbuild.host.generate`."""
    assert path.read_text(encoding="utf-8") == generate.outputs()[path]


def test_a_type_that_the_generator_does_not_know_is_refused() -> None:
    """With the type."""
    with pytest.raises(ValueError, match=r"got type 'long double', wanted one that etbuild\.host\.generate knows$"):
        generate.read_header("ETB_API long double etb_ratio(const etb_program* program);")


def test_structures_have_the_size_that_the_compiler_gives_them(tmp_path: Path) -> None:
    """Of every structure in host.h."""
    names = ("Value", "Memory", "Event", "Hazard")
    checks = "".join(
        f"static_assert(sizeof(etb_{name.lower()}) == {ctypes.sizeof(getattr(abi, name))});\n" for name in names
    )
    (tmp_path / "sizes.cc").write_text(f'#include "port/host/host.h"\n{checks}')

    subprocess.run(["c++", "-fsyntax-only", f"-I{RUNTIME}", str(tmp_path / "sizes.cc")], check=True)


def test_the_library_is_built_once() -> None:
    """The same sources, flags and compiler give the same file, at once."""
    assert library.library() == library.library()


def test_a_missing_compiler_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Exit code 3, the program, and how to get it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("CXX", raising=False)

    with pytest.raises(MissingTool) as caught:
        library.library()

    assert caught.value.exit_code == 3
    assert str(caught.value).splitlines() == [
        "c++: got no such program on PATH, wanted one",
        "    sudo apt-get install g++, or start through ./bootstrap",
    ]


def test_the_command_run_writes_outputs_and_a_trace(linear: HostProgram, tmp_path: Path) -> None:
    """.npy in, .npy out, one event an operation with its layer's figures."""
    x = zeros(linear)[0] + 1
    np.save(tmp_path / "x.npy", x)
    words = ["--input", "x.npy", "--output", "out", "--repeat", "2", "--trace", "trace.json", "--check-hazards"]

    done = etbuild("run", str(FILES / "linear_u55.pte"), *words, folder=tmp_path)

    trace = json.loads((tmp_path / "trace.json").read_text())
    rows = [row for row in trace["traceEvents"] if row["ph"] == "X"]
    assert done.returncode == 0, done.stderr
    assert "fastest of 2" in done.stdout
    assert done.stdout.endswith("hazards: 0\n")
    np.testing.assert_array_equal(np.load(tmp_path / "out/output_0.npy"), linear.run(x)[0])
    assert rows[0]["cat"] == "cpu"
    assert next(row for row in rows if row["name"] == "CONV")["args"]["macs"] > 0


def test_the_command_run_names_a_wrong_input(tmp_path: Path) -> None:
    (tmp_path / "x.npy").write_text("no array")

    done = etbuild("run", str(FILES / "linear_u55.pte"), "--input", "x.npy", folder=tmp_path)

    assert done.returncode == 2
    assert done.stderr.startswith("x.npy: got ")
    assert "Traceback" not in done.stderr


def test_the_command_disasm_numbers_operations(tmp_path: Path) -> None:
    done = etbuild("disasm", str(FILES / "linear_u55.pte"), folder=tmp_path)

    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert lines[0].startswith("delegate 0 of forward: ethos-u55-128, config 0x00001807, ")
    assert any(line.endswith("; operation 0") for line in lines)
    assert "STOP" in lines[-1]


def test_a_delegate_with_another_number_of_outputs_than_expected(linear: HostProgram) -> None:
    """Expected outputs of another program: the step fails, and says of which delegate."""
    count = int(np.prod(linear.inputs[0].shape))

    with pytest.raises(StepError, match=r"linear_u55\.pte: delegate 0: got 1 outputs, wanted 2$"):
        linear.run_delegate(0, [np.zeros(count, np.int8)], ["int8", "int8"])
