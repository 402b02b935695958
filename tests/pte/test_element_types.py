"""Which programs need the runtime with all element types."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from etbuild.pte.element_types import needs_all_types
from etbuild.pte.program import KernelCall, Method, Operator, Tensor
from etbuild.pte.reader import read

FILES = Path(__file__).parent / "files"


def method(dtype: str, operator: str, called: bool = True) -> Method:
    """linear_cpu.pte's method with one tensor of a type, and one kernel call, of that tensor or of another."""
    before = read(FILES / "linear_cpu.pte").methods[0]
    tensor = Tensor(dtype, (2,), (0,), 0, None)
    call = KernelCall(0, (len(before.values) if called else 0,))
    name, _, overload = operator.partition(".")
    return replace(
        before,
        values=(*before.values, tensor),
        operators=(Operator(name, overload),),
        chains=(replace(before.chains[0], instructions=(call,)),),
    )


@pytest.mark.parametrize("path", sorted(FILES.glob("*.pte")), ids=lambda path: path.stem)
def test_programs_of_float32_and_quantised_integers_need_no_other_types(path: Path) -> None:
    """So their firmware is what it was."""
    assert not any(needs_all_types(one) for one in read(path).methods)


@pytest.mark.parametrize(
    ("dtype", "operator", "called", "needed"),
    [
        ("float32", "aten::add.out", True, False),
        ("float16", "aten::add.out", True, True),
        ("float64", "aten::add.out", True, True),
        ("float64", "aten::add.out", False, False),
        ("float64", "quantized_decomposed::dequantize_per_channel.out", True, False),
        ("bfloat16", "aten::add.out", False, True),
        ("uint16", "aten::add.out", True, True),
        ("int32", "aten::add.out", True, False),
        ("int32", "aten::convolution.out", True, True),
    ],
)
def test_a_type_is_needed_where_a_kernel_computes_with_it_or_where_only_that_runtime_loads_it(
    dtype: str, operator: str, called: bool, needed: bool
) -> None:
    """Scales of quantised operators are float64 in any runtime; bfloat16 cannot be loaded without."""
    assert needs_all_types(method(dtype, operator, called)) is needed
