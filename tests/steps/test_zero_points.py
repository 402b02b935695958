"""Zero points per channel in a .pte: int64, as ExecuTorch's own kernels read them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from project import CONV, CPU, Project, compile_steps, recipe

from etbuild.errors import StepError
from etbuild.firmware.executorch_engine import check_zero_points
from etbuild.pte.program import Chain, KernelCall, Method, Operator, Program, Tensor
from etbuild.pte.reader import read
from etbuild.pte.zero_points import narrow_zero_points

NAME = "quantized_decomposed::dequantize_per_channel.out"


def zero_points(program: Program) -> list[str]:
    method = program.methods[0]
    calls = [call for call in method.kernel_calls() if str(method.operators[call.operator]) == NAME]
    values = [method.values[call.args[2]] for call in calls]
    return [value.dtype for value in values if isinstance(value, Tensor)]


@pytest.mark.e2e
def test_without_an_npu_all_zero_points_per_channel_are_int64(tmp_path: Path) -> None:
    """PyTorch quantises biases with int32 zero points, for which ExecuTorch's kernel would read beyond their end."""
    project = Project(tmp_path)
    project.write("model.py", CONV)

    project.run(*compile_steps(recipe(CPU), CPU))

    program = read(tmp_path / "build/r/cpu/model.pte")
    assert set(zero_points(program)) == {"int64"}
    assert narrow_zero_points(program) == ()


def test_a_program_with_int32_zero_points_is_named_before_linking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ExecuTorch's kernel accepts them, and its results would be wrong without an error."""
    method = Method(
        name="forward",
        inputs=(),
        outputs=(),
        values=(*(Tensor(dtype, (4,), (0,), 1, None) for dtype in ("int32", "float32", "int32")), 0),
        chains=(Chain((KernelCall(0, (0, 1, 2, 3, 3, 3, 3, 0)),)),),
        operators=(Operator("quantized_decomposed::dequantize_per_channel", "out"),),
        delegates=(),
        buffer_sizes=(0,),
    )
    wheel = read(Path(__file__).parents[1] / "pte/files/linear_cpu.pte")
    monkeypatch.setattr("etbuild.firmware.executorch_engine.read", lambda _: replace(wheel, methods=(method,)))

    with pytest.raises(StepError) as caught:
        check_zero_points(tmp_path / "model.pte")

    assert str(caught.value) == (
        f"model.pte: got {NAME} (int32 zero points), wanted int64 ones: ExecuTorch's kernel reads int64\n"
        "    lower the model again with this version of etbuild, or use runtime.engine: etbuild"
    )
