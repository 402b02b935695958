"""Which sources of the runtime an image consists of."""

from __future__ import annotations

import pytest

from etbuild.errors import StepError
from etbuild.firmware.select_sources import RUNTIME, Needs, kernel_places, select, selection_source


def test_only_the_kernels_that_the_model_calls_are_selected() -> None:
    """With the sources behind the headers that they include, and one family of the emulator."""
    chosen = select(Needs(("cortex_m::quantize_per_tensor.out",), "emulator", "u55"))

    kernels = {name for name in chosen.sources if name.startswith("kernels/")}
    assert kernels == {"kernels/args.cc", "kernels/layout.cc", "kernels/quantize.cc", "kernels/value.cc"}
    assert "npu/family_u55.cc" in chosen.sources
    assert not any("u85" in name or "ethosu.cc" in name for name in chosen.sources if name.startswith("npu/"))
    assert chosen.kernels == ("kernel_cortex_m_quantize_per_tensor",)


def test_a_model_without_delegates_has_no_npu() -> None:
    """Not even an emulated one."""
    chosen = select(Needs(("aten::add.out",), "", ""))

    assert not any(name.startswith("npu/") for name in chosen.sources)
    assert "port/cortex_m/npu_none.cc" in chosen.sources


def test_the_selection_is_the_table_of_kernels_and_the_families() -> None:
    """The whole generated source."""
    needs = Needs(("aten::add.out",), "emulator", "u85")

    assert selection_source(needs, select(needs)) == (
        """\
#include "kernels/kernel.h"
#include "npu/emulator.h"
namespace etb {
extern const Kernel kernel_add;
namespace {
const Kernel* const all[] = {
    &kernel_add,
};
}
const KernelTable kernel_table{all};
namespace port {
extern const npu::Emulator emulator;
const npu::Emulator emulator{nullptr, &npu::u85};
}
}
"""
    )


def test_operators_without_a_kernel_are_named_before_compilation() -> None:
    """All of them, with a remedy."""
    with pytest.raises(StepError) as caught:
        select(Needs(("aten::add.out", "aten::fft.out", "aten::sort.values"), "", ""))

    assert str(caught.value) == (
        "firmware: got operators that no CPU kernel is written for: aten::fft.out, aten::sort.values\n"
        "    quantise them so that the NPU runs them, write a kernel and name it in operators, "
        "or use runtime.engine: executorch"
    )


def test_every_operator_has_one_kernel() -> None:
    """No operator is defined twice."""
    lines = [
        line
        for file in (RUNTIME / "kernels").glob("*.cc")
        for line in file.read_text().splitlines()
        if line.startswith("ETB_KERNEL(")
    ]

    assert len(lines) == len(kernel_places())
