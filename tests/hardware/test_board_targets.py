"""Targets for a board's NPU that a recipe does not name, and which of a recipe's suit it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from etbuild.hardware.board_targets import default_target, in_other_modes, suits
from etbuild.hardware.boards import board_file, load_board
from etbuild.hardware.target import Target, Vela

if TYPE_CHECKING:
    from etbuild.hardware.board import Board

U55 = Target("ethos-u55-128", "ethos-u55-128", "tosa-u55", "Ethos_U55_High_End_Embedded", "Shared_Sram")


def board(name: str) -> Board:
    file = board_file(name)
    assert file
    return load_board(file)


@pytest.mark.parametrize(
    ("name", "target", "wanted"),
    [
        ("corstone-300", U55, True),
        ("alif-e8-hp", U55, False),
        ("corstone-320", U55, False),
        ("imx93-evk", Target("cpu", "none", "cortex-m-mve", cpu="cortex-m55"), False),
        ("imx93-evk", Target("cpu", "none", "cortex-m-dsp", cpu="cortex-m33"), True),
        ("corstone-300", Target("cpu", "none", "cortex-m-mve", cpu="cortex-m55"), True),
        ("imx93-evk", Target("cpu", "none", "cpu"), True),
    ],
)
def test_a_target_suits_a_board_with_its_npu_or_its_core(name: str, target: Target, wanted: bool) -> None:
    """Number of multiply-accumulates included; in floating point any core does."""
    assert suits(board(name), target) == wanted


@pytest.mark.parametrize(
    ("family", "macs", "wanted"),
    [("u55", (), "ethos-u55-128"), ("u55", (256,), "ethos-u55-256"), ("u65", (), "ethos-u65-256")],
)
def test_the_default_target_has_the_boards_npu(family: str, macs: tuple[int, ...], wanted: str) -> None:
    """With the settings that ExecuTorch takes for it."""
    target = default_target(family, macs)

    assert (target.npu, target.profile) == (wanted, "tosa-u55")
    assert target.system_config.startswith(f"Ethos_{family.upper()}_")


def test_other_memory_modes_are_the_legal_ones_of_the_system_config() -> None:
    """Without the target's own; none with a config file of the user, which may have any."""
    assert [one.memory_mode for one in in_other_modes(U55)] == ["Sram_Only"]
    assert in_other_modes(replace(U55, vela=Vela(ini=Path("own.ini")))) == []
