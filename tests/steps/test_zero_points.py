"""Zero points per channel in a .pte: int64, as ExecuTorch's own kernels read them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from project import CONV, CPU, Project, compile_steps, recipe

from etbuild.cli.main import main
from etbuild.errors import StepError
from etbuild.firmware.executorch_engine import check_zero_points
from etbuild.pte.program import Chain, KernelCall, Method, Operator, Program, Tensor
from etbuild.pte.reader import read
from etbuild.pte.zero_points import narrow_zero_points

WHEEL = Path(__file__).parents[1] / "pte/files/linear_cpu.pte"
NAME = "quantized_decomposed::dequantize_per_channel.out"


def zero_points(program: Program) -> list[str]:
    method = program.methods[0]
    calls = [call for call in method.kernel_calls() if str(method.operators[call.operator]) == NAME]
    values = [method.values[call.args[2]] for call in calls]
    return [value.dtype for value in values if isinstance(value, Tensor)]


def narrow_program() -> Program:
    """A call of the operator with four int32 zero points."""
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
    return replace(read(WHEEL), methods=(method,))


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
    monkeypatch.setattr("etbuild.firmware.executorch_engine.read", lambda _: narrow_program())

    with pytest.raises(StepError) as caught:
        check_zero_points(tmp_path / "model.pte")

    assert str(caught.value) == (
        f"model.pte: got {NAME} (int32 zero points), wanted int64 ones: ExecuTorch's kernel reads int64\n"
        "    lower the model again with this version of etbuild, or use runtime.engine: etbuild"
    )


def test_inspect_says_which_results_are_wrong_on_executorchs_runtime(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the text and in the JSON; of a program without such an operator nothing."""
    monkeypatch.setattr("etbuild.cli.inspect.read", lambda _: narrow_program())
    main(["inspect", str(WHEEL)])
    text = capsys.readouterr().out
    main(["inspect", "--json", str(WHEEL)])
    narrow = json.loads(capsys.readouterr().out)["methods"][0]["misread_by_executorch"]
    monkeypatch.undo()
    main(["inspect", str(WHEEL)])

    assert (
        f"  wrong results on ExecuTorch's runtime: {NAME} (int32 zero points), 1 call\n"
        "    its kernel reads int64; lower the model again with this version of etbuild\n"
    ) in text
    assert narrow == [{"operator": f"{NAME} (int32 zero points)", "calls": 1}]
    assert "wrong results" not in capsys.readouterr().out
