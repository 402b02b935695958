"""Targets for the NPU of a board that a recipe does not name. It compiles nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from etbuild.hardware.npus import catalog, legal_modes
from etbuild.hardware.target import CPU_PROFILES, Target

if TYPE_CHECKING:
    from etbuild.hardware.board import Board

_COMMON = ("ethos-u55-128", "ethos-u65-256", "ethos-u85-256")


def suits(board: Board, target: Target) -> bool:
    """Whether the board has the target's NPU; without one, whether its core has the kernels that the target is for."""
    npu = catalog().npus.get(target.npu)
    if npu is None:
        return target.profile not in CPU_PROFILES.values() or CPU_PROFILES.get(board.cpu.core) == target.profile
    return not board.incompatibility(npu.family.name, npu.macs * npu.cores)


def default_target(family: str, macs: Sequence[int]) -> Target:
    """A target for a board's NPU, with the settings that ExecuTorch takes for its family.

    macs: what the board may have; () for any: then the NPU that most of its boards have.
    """
    npus = [npu for npu in catalog().npus.values() if npu.family.name == family]
    wanted = [npu for npu in npus if npu.macs * npu.cores in macs] or [npu for npu in npus if npu.name in _COMMON]
    kind = wanted[0].family
    return Target(wanted[0].name, wanted[0].name, kind.profile, kind.system_config, kind.memory_mode)


def in_other_modes(target: Target) -> list[Target]:
    """The target in each other memory mode of its system config; none with a config file of the user."""
    config = catalog().stock.system_configs.get(target.system_config)
    if target.vela.ini or config is None:
        return []
    modes = legal_modes(config, catalog().stock)
    others = (mode for mode in modes if mode != target.memory_mode)
    return [replace(target, variant=target.npu, memory_mode=mode) for mode in others]
