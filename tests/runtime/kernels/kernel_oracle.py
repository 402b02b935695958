"""One operator on one set of inputs, in our kernels and in ExecuTorch's own runtime. It compares only values."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from etbuild.host.program import HostProgram

Array = np.ndarray[Any, np.dtype[Any]]

CHUNK = 30

# Operators that the compilation would replace by others, if it were not told to keep them.
KEPT = (
    *("glu.default", "roll.default", "tril.default", "logit.default", "diagonal_copy.default", "unfold_copy.default"),
    *("as_strided_copy.default", "masked_scatter.default", "native_dropout.default", "var_mean.correction"),
    *("convolution_backward.default", "max_pool2d_with_indices_backward.default", "select_scatter.default"),
    *("slice_scatter.default", "scatter_add.default", "scatter.src", "scatter.value", "index_put.default"),
    *("grid_sampler_2d.default", "_upsample_bilinear2d_aa.default", "fill.Tensor", "atan2.default"),
    *(f"bitwise_{side}_shift.{kind}" for side in ("left", "right") for kind in ("Tensor", "Tensor_Scalar")),
    *(f"{kind}_pad{rank}d.default" for kind in ("reflection", "replication") for rank in (1, 2, 3)),
    *("rand.default", "randn.default", "repeat_interleave.Tensor", "_cdist_forward.default", "_pdist_forward.default"),
)


@dataclass(frozen=True, eq=False)
class Case:
    """A module of one call.

    call:    called with torch and the inputs.
    ulp:     how many floats may lie between the results; `reason` says why more than 2.
    atol:    an absolute difference that is allowed in addition to `ulp`; with a reason too.
    oracle:  "executorch", or "torch" where ExecuTorch's Python runtime has no such operator, or is wrong; or "both".
    results: the number of outputs, of what PyTorch does not compute.
    dynamic: axes that are dynamic, for each input; exported with the inputs' sizes doubled, run with the inputs.
    """

    name: str
    call: Callable[..., Any]
    inputs: tuple[Array, ...]
    ulp: int = 2
    atol: float = 0.0
    reason: str = ""
    oracle: str = "executorch"
    results: int = 0
    dynamic: tuple[tuple[int, ...], ...] = ()

    def __str__(self) -> str:
        return self.name


def check(case: Case, table: Sequence[Case]) -> None:
    """The case's outputs are the oracle's. Cases of a table are compiled together, since a compilation takes half a
    second whatever its size; one that cannot be is tried alone."""
    alike = [one for one in table if not one.dynamic]
    chunk: tuple[Case, ...] = (case,)
    if case in alike:
        first = alike.index(case) // CHUNK * CHUNK
        chunk = tuple(alike[first : first + CHUNK])
    found = _compare_together(chunk) if len(chunk) > 1 else None
    pairs = (found or _compare((case,)))[case.name]
    lines = [difference_of_arrays(case, *pair) for pair in pairs]
    differences = "\n".join(f"output {i}: {line}" for i, line in enumerate(lines) if line)
    assert not differences, differences


@functools.cache
def _compare_together(cases: tuple[Case, ...]) -> dict[str, list[tuple[Array, Array]]] | None:
    """As `_compare`; None when one of the cases fails, so that each is run alone."""
    try:
        return _compare(cases)
    except Exception:
        return None


def _compare(cases: tuple[Case, ...]) -> dict[str, list[tuple[Array, Array]]]:
    """For each case by name, pairs of our outputs and the oracle's."""
    pte = compile_cases(cases)
    inputs = [array for case in cases for array in case.inputs]
    got = iter(HostProgram(pte).run(*inputs))
    wanted = iter(_executorch(pte, inputs, "none" if all(case.oracle == "torch" for case in cases) else "all"))
    pairs = {}
    for case in cases:
        from_torch = [np.empty(0)] * case.results or _torch(case)
        ours = [next(got) for _ in from_torch]
        theirs = [next(wanted, None) for _ in from_torch]
        pairs[case.name] = list(zip(ours, from_torch if case.oracle == "torch" else theirs, strict=True))
        if case.oracle == "both":
            pairs[case.name] += zip(ours, from_torch, strict=True)
    return pairs


def compile_cases(cases: Sequence[Case]) -> bytes:
    """One .pte of all cases on the CPU; its inputs and outputs are theirs, in order."""
    import executorch.kernels.quantized  # noqa: F401 - registers the out variants
    import torch
    from executorch.exir import EdgeCompileConfig, to_edge

    class Calls(torch.nn.Module):
        def forward(self, *inputs: Any) -> Any:
            left, results = list(inputs), []
            for case in cases:
                mine = [left.pop(0) for _ in case.inputs]
                results += _as_list(case.call(torch, *mine))
            return tuple(results)

    examples, axes = [], []
    for case in cases:
        for i, array in enumerate(case.inputs):
            chosen = case.dynamic[i] if case.dynamic else ()
            for axis in chosen:
                array = np.concatenate([array, array], axis)
            examples.append(torch.from_numpy(array.copy()))
            axes.append(dict.fromkeys(chosen, torch.export.Dim.AUTO))
    program = torch.export.export(Calls(), tuple(examples), dynamic_shapes=(tuple(axes),) if any(axes) else None)
    kept = [operator.attrgetter(name)(torch.ops.aten) for name in KEPT]
    edge = to_edge(program, compile_config=EdgeCompileConfig(_check_ir_validity=False, preserve_ops=kept))
    return bytes(edge.to_executorch().buffer)


def _torch(case: Case) -> list[Array]:
    import torch

    results = case.call(torch, *(torch.from_numpy(array.copy()) for array in case.inputs))
    return [np.asarray(one) for one in _as_list(results)]


def _executorch(pte: bytes, inputs: Sequence[Array], which: str) -> list[Array]:
    import torch
    from executorch.runtime import Runtime

    if which == "none":
        return []
    method = Runtime.get().load_program(pte).load_method("forward")
    return [np.asarray(one) for one in method.execute([torch.from_numpy(array.copy()) for array in inputs])]


def _as_list(results: Any) -> list[Any]:
    return list(results) if isinstance(results, (tuple, list)) else [results]


def difference_of_arrays(case: Case, got: Array, wanted: Array) -> str:
    if got.dtype != wanted.dtype or got.shape != wanted.shape:
        return f"got {got.dtype}{list(got.shape)}, wanted {wanted.dtype}{list(wanted.shape)}"
    wrong = got != wanted
    is_float = np.issubdtype(got.dtype, np.floating)
    if is_float:
        with np.errstate(invalid="ignore", over="ignore"):
            close = np.abs(got.astype(np.float64) - wanted) <= case.atol
        wrong &= ~(close | (ulps(got, wanted) <= case.ulp) | (np.isnan(got) & np.isnan(wanted)))
    if not wrong.any():
        return ""
    where = tuple(int(i) for i in np.argwhere(wrong)[0])
    most = int(ulps(got, wanted)[wrong].max()) if is_float else 0
    first = f"first at {where}: got {got[where]!r}, wanted {wanted[where]!r}"
    return f"{int(wrong.sum())} of {wrong.size} differ, {first}, at most {most} ulp"


def ulps(a: Array, b: Array) -> Array:
    """The number of floats of their type between a and b."""
    return np.abs(_ordered(a) - _ordered(b))


def _ordered(x: Array) -> Array:
    bits = np.atleast_1d(x).view(f"int{8 * x.dtype.itemsize}").astype(np.int64).reshape(x.shape)
    most = np.iinfo(f"int{8 * x.dtype.itemsize}").max
    return np.where(bits < 0, -(bits & most), bits)
