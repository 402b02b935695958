"""One target of a recipe as the step lint needs it, and as an argument of its command line. It judges nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from etbuild.hardware.board import Board
    from etbuild.hardware.target import Target


@dataclass(frozen=True)
class Part:
    """One variant with an NPU. region, bytes: where its scratch lies on the board; "" and 0 without a board."""

    variant: str
    profile: str
    npu: str
    region: str = ""
    bytes: int = 0

    @classmethod
    def of(cls, target: Target, board: Board | None) -> Part:
        if board is None:
            return cls(target.variant, target.profile, target.npu)
        region = board.region(board.placement_for(target.memory_mode).scratch)
        return cls(target.variant, target.profile, target.npu, region.name, region.size)

    def to_argument(self) -> str:
        """One command-line argument of the step; `parse` reads it back."""
        return f"{self.variant},{self.profile},{self.npu},{self.region},{self.bytes}"

    @classmethod
    def parse(cls, text: str) -> Part:
        """raises: ValueError."""
        variant, profile, npu, region, size = text.rsplit(",", 4)
        return cls(variant, profile, npu, region, int(size))
