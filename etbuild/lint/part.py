"""One target of a recipe as the step lint needs it, and as an argument of its command line. It judges nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from etbuild.hardware.board_targets import in_other_modes

if TYPE_CHECKING:
    from etbuild.hardware.board import Board
    from etbuild.hardware.target import Target


@dataclass(frozen=True)
class Larger:
    """Another memory mode of a target, in which its scratch lies in a larger region. mode: the target's own."""

    mode: str
    other_mode: str
    region: str
    bytes: int


@dataclass(frozen=True)
class Part:
    """One variant with an NPU. region, bytes: where its scratch lies on the board; "" and 0 without a board."""

    variant: str
    profile: str
    npu: str
    region: str = ""
    bytes: int = 0
    larger: Larger | None = None

    @classmethod
    def of(cls, target: Target, board: Board | None) -> Part:
        if board is None:
            return cls(target.variant, target.profile, target.npu)
        region = board.region(board.placement_for(target.memory_mode).scratch)
        others = [
            Larger(target.memory_mode, other.memory_mode, found.name, found.size)
            for other in in_other_modes(target)
            if (found := board.region(board.placement_for(other.memory_mode).scratch)).size > region.size
        ]
        larger = max(others, key=lambda one: one.bytes, default=None)
        return cls(target.variant, target.profile, target.npu, region.name, region.size, larger)

    def to_argument(self) -> str:
        """One command-line argument of the step; `parse` reads it back."""
        one = self.larger
        more = f"/{one.mode}/{one.other_mode}/{one.region}/{one.bytes}" if one else ""
        return f"{self.variant},{self.profile},{self.npu},{self.region},{self.bytes}{more}"

    @classmethod
    def parse(cls, text: str) -> Part:
        """raises: ValueError."""
        first, *more = text.split("/")
        variant, profile, npu, region, size = first.rsplit(",", 4)
        larger = Larger(more[0], more[1], more[2], int(more[3])) if more else None
        return cls(variant, profile, npu, region, int(size), larger)
