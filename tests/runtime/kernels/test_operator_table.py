"""The table of operators: no CPU operator of ExecuTorch lacks a kernel, and docs/operators.md says where each is."""

from __future__ import annotations

import pytest

from etbuild import RUNTIME
from etbuild.firmware import operators
from etbuild.firmware.select_sources import Needs, kernel_places, select


@pytest.mark.parametrize("name", operators.LISTS)
def test_every_operator_of_executorch_has_a_kernel(name: str) -> None:
    """Of each of the wheel's lists."""
    found = operators.operators(operators.executorch_folder(), name)

    assert len(found) > 10
    assert [one.name for one in found if not one.kernel] == []


@pytest.mark.parametrize("name", operators.LISTS)
def test_each_kernel_is_selected_alone(name: str) -> None:
    """With one kernel in the firmware's table, and its file among the sources."""
    for one in operators.operators(operators.executorch_folder(), name):
        symbol, file = kernel_places()[one.name]

        chosen = select(Needs((one.name,), "", ""))

        assert chosen.kernels == (symbol,)
        assert file in chosen.sources


def test_every_kernel_of_the_table_is_in_its_file_once() -> None:
    """One operator, one kernel: the line ETB_KERNEL of a second would be a second definition, or would be ignored."""
    lines = [
        line.split('"')[1]
        for file in (RUNTIME / "kernels").glob("*.cc")
        for line in file.read_text().splitlines()
        if line.startswith("ETB_KERNEL(")
    ]

    assert sorted(lines) == sorted(kernel_places())


def test_the_page_of_operators_is_up_to_date() -> None:
    """docs/operators.md; `python -m etbuild.firmware.operators` writes it."""
    assert operators.PAGE.read_text(encoding="utf-8") == operators.page()
