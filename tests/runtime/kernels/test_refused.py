"""Arguments that a kernel refuses: an error says what is wrong, and nothing is read or written outside a tensor."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from kernel_oracle import KEPT, Array, Case, compile_cases

from etbuild.errors import StepError
from etbuild.host.program import HostProgram

pytestmark = pytest.mark.e2e

X = np.ones((3, 4), np.float32)
OUTSIDE = "index outside its dimension"


def index(*numbers: int) -> Array:
    return np.array(numbers, np.int64)


# name, call, inputs that it is compiled with, another last input, error.
WRONG = {
    "index_put": (lambda t, x, i: t.ops.aten.index_put(x, [i], x), (X, index(0, 1, 2)), index(0, 3, 1), OUTSIDE),
    "index_put-negative": (lambda t, x, i: t.index_put(x, [i], x), (X, index(0, 1, 2)), index(0, -4, 1), OUTSIDE),
    "index": (lambda t, x, i: x[:, i], (X, index(0, 1)), index(0, 4), OUTSIDE),
    "scatter": (lambda t, x, i: t.scatter(x, 0, i, x), (X, index(0, 1)[:, None]), index(0, 3)[:, None], OUTSIDE),
    "scatter-negative": (lambda t, x, i: t.scatter(x, 0, i, 2.0), (X, index(0)[:, None]), index(-1)[:, None], OUTSIDE),
    "scatter_add": (lambda t, x, i: t.scatter_add(x, 1, i, x), (X, index(0)[:, None]), index(2**62)[:, None], OUTSIDE),
    "max_pool": (
        lambda t, s, i: t.ops.aten.max_pool2d_with_indices_backward(
            s, t.cat([s, s], 1).repeat(1, 1, 2), [2, 2], [2, 2], [0, 0], [1, 1], False, i
        ),
        (np.ones((1, 2, 2), np.float32), np.zeros((1, 2, 2), np.int64)),
        np.full((1, 2, 2), 16),
        "max pooling: index outside the plane",
    ),
    "masked_scatter": (
        lambda t, x, m: t.masked_scatter(x, m, x[:1]),
        (X, np.zeros((3, 4), bool)),
        np.ones((3, 4), bool),
        "masked_scatter: source has fewer elements than the mask",
    ),
    "repeat_interleave": (
        lambda t, x, n: t.repeat_interleave(n, output_size=3) + x[0, :3].to(t.int64),
        (X, index(1, 2)),
        index(2, 2),
        "repeat_interleave: another sum of repeats than given",
    ),
    "repeat_interleave-negative": (
        lambda t, x, n: t.repeat_interleave(n, output_size=3) + x[0, :3].to(t.int64),
        (X, index(1, 2)),
        index(4, -1),
        "repeat_interleave: wrong number of repeats",
    ),
    "index_put-mask": (
        lambda t, x, m: t.ops.aten.index_put(x, [m], x[0, :3]),
        (X, np.array([[1, 1, 1, 0], [0] * 4, [0] * 4], bool)),
        np.ones((3, 4), bool),
        "tensor cannot be broadcast to the result",
    ),
}


@pytest.mark.parametrize(("call", "inputs", "wrong", "message"), WRONG.values(), ids=WRONG)
def test_an_index_or_mask_that_does_not_fit_is_an_error(
    call: Any, inputs: tuple[Array, ...], wrong: Array, message: str
) -> None:
    """And the program runs again with inputs that fit."""
    program = HostProgram(compile_cases([Case("one", call, inputs)]))

    with pytest.raises(StepError, match=message):
        program.run(*inputs[:-1], wrong)

    program.run(*inputs)


def changed(call: Any, inputs: tuple[Array, ...], change: Any) -> bytes:
    """The .pte of one call, after `change` of its first kernel call: change(plan, call, its operator)."""
    import torch
    from executorch.exir import EdgeCompileConfig, to_edge
    from executorch.exir._serialize._program import PTEFile, serialize_pte_binary

    class Call(torch.nn.Module):
        def forward(self, *tensors: Any) -> Any:
            return call(torch, *tensors)

    kept = [getattr(getattr(torch.ops.aten, name.split(".")[0]), name.split(".")[1]) for name in KEPT]
    program = torch.export.export(Call(), tuple(torch.from_numpy(one.copy()) for one in inputs))
    edge = to_edge(program, compile_config=EdgeCompileConfig(_check_ir_validity=False, preserve_ops=kept))
    made = edge.to_executorch().executorch_program
    plan = made.execution_plan[0]
    instruction = plan.chains[0].instructions[0].instr_args
    change(plan, instruction, plan.operators[instruction.op_index])
    return bytes(serialize_pte_binary(PTEFile(program=made)))


def renamed(name: str, overload: str = "out") -> Any:
    def change(plan: Any, call: Any, operator: Any) -> None:
        operator.name, operator.overload = name, overload

    return change


@pytest.mark.parametrize(
    ("operator", "message"),
    [
        ("aten::_conj_physical", "operator takes complex numbers only"),
        ("aten::view_as_real_copy", "operator takes complex numbers only"),
        ("et_copy::_h2d_copy", "copy to or from the memory of a device: there is none"),
        ("et_copy::_d2h_copy", "copy to or from the memory of a device: there is none"),
    ],
)
def test_what_no_program_can_have_is_refused(operator: str, message: str) -> None:
    """Complex tensors, which a .pte cannot hold, and copies to a device."""
    program = HostProgram(changed(lambda t, x: t.neg(x), (X,), renamed(operator)))

    with pytest.raises(StepError, match=message):
        program.run(X)


def batch_norm(training: bool) -> bytes:
    """_native_batch_norm_legit.out, which no exporter writes, from the operator without the argument `training`."""
    from executorch.exir.schema import Bool, EValue

    def change(plan: Any, call: Any, operator: Any) -> None:
        operator.name = "aten::_native_batch_norm_legit"
        plan.values.append(EValue(Bool(training)))
        call.args.insert(5, len(plan.values) - 1)

    def call(t: Any, x: Any, mean: Any, variance: Any) -> Any:
        return t.nn.functional.batch_norm(x, mean, variance, eps=1e-3)

    return changed(call, (X[None], X[0, :3], X[1, :3]), change)


def test_batch_norm_with_statistics_as_arguments_is_computed_but_not_in_training() -> None:
    """In training it would update the statistics, which ExecuTorch's portable kernel refuses too."""
    x, mean, variance = np.arange(12, dtype=np.float32).reshape(1, 3, 4), X[0, :3] * 2, X[1, :3] * 4

    (out,) = HostProgram(batch_norm(False)).run(x, mean, variance)
    with pytest.raises(StepError, match="batch_norm in training"):
        HostProgram(batch_norm(True)).run(x, mean, variance)

    np.testing.assert_allclose(out, (x - 2) / np.sqrt(np.float32(4.001)), rtol=1e-6)


def test_index_put_in_place_updates_a_buffer_of_the_program() -> None:
    """A static key-value cache: each run writes one row of it, and reads all."""
    import torch
    from executorch.exir import ExecutorchBackendConfig, to_edge

    class Cache(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("rows", torch.zeros(1, 4, 3))

        def forward(self, place: Any, row: Any) -> Any:
            self.rows[:, place] = row
            return self.rows * 2

    examples = (torch.tensor([1]), torch.ones(1, 1, 3))
    edge = to_edge(torch.export.export(Cache(), examples))
    pte = edge.to_executorch(ExecutorchBackendConfig(run_reinplace_pass=True)).buffer
    program = HostProgram(bytes(pte))
    wanted = np.zeros((1, 4, 3), np.float32)

    assert b"aten::index_put_" in pte
    for place in (1, 3, 1):
        row = np.full((1, 1, 3), place + 0.5, np.float32)
        wanted[:, place] = row[:, 0] * 2
        (out,) = program.run(index(place), row)
        np.testing.assert_array_equal(out, wanted)
    with pytest.raises(StepError, match=OUTSIDE):
        program.run(index(4), row)
