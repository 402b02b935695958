"""Every operator of ExecuTorch's tables of quantised operators has a kernel, which can be selected alone."""

from __future__ import annotations

import importlib.metadata

import pytest
import yaml

from etbuild.firmware.select_sources import Needs, kernel_places, select

TABLES = ["backends/cortex_m/ops/operators.yaml", "kernels/quantized/quantized.yaml"]


def operators(table: str) -> list[str]:
    """The names in a table of the installed wheel, such as "cortex_m::pad.out"."""
    text = importlib.metadata.distribution("executorch").locate_file(f"executorch/{table}").read_text()  # type: ignore[attr-defined]
    return sorted(row["func"].partition("(")[0] for row in yaml.safe_load(text))


@pytest.mark.parametrize("table", TABLES)
def test_every_operator_has_a_kernel(table: str) -> None:
    """None of the table's is missing."""
    assert [name for name in operators(table) if name not in kernel_places()] == []


@pytest.mark.parametrize("table", TABLES)
def test_each_kernel_is_selected_alone(table: str) -> None:
    """With one kernel in the firmware's table, and its file among the sources."""
    for name in operators(table):
        symbol, file = kernel_places()[name]

        chosen = select(Needs((name,), "", ""))

        assert chosen.kernels == (symbol,)
        assert file in chosen.sources
