"""Whether a compiled model fits a board, without the code and the test vectors of a firmware. It links nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from etbuild.firmware.planned_buffers import placed_buffers
from etbuild.firmware.sizes import known_parts, overfull
from etbuild.hardware.board_targets import default_target, in_other_modes, suits
from etbuild.hardware.npus import catalog

if TYPE_CHECKING:
    from etbuild.hardware.board import Board
    from etbuild.hardware.target import Target


@dataclass(frozen=True)
class ModelSizes:
    """The bytes that a compiled model takes. planned: of each planned buffer, that of memory id 1 first."""

    pte: int
    planned: Sequence[int]
    scratch: int
    fast_scratch: int

    @property
    def manifest(self) -> dict[str, Any]:
        """As manifest.json has them."""
        memory = {"planned_bytes": self.planned, "scratch_bytes": self.scratch, "fast_scratch_bytes": self.fast_scratch}
        return {"pte": {"bytes": self.pte}, "memory": memory}


@dataclass(frozen=True)
class Candidate:
    """A model that was compiled for a target. inference_s: Vela's estimate; None without an NPU. is_variant: whether
    the recipe has the target."""

    target: Target
    sizes: ModelSizes
    inference_s: float | None
    is_variant: bool


Compile = Callable[["Target"], Candidate | None]
"""Compiles the model for a target; None where that is not possible."""


def fit_of(board: Board, variants: Sequence[Candidate], compile_for: Compile) -> dict[str, Any]:
    """The row of a board: the fastest of the recipe's variants that fits it; without one the first other target."""
    best: dict[str, Any] = {}
    for candidate in _candidates(board, variants, compile_for):
        row = _fitted(board, candidate)
        if not best or (row["fits"], -_seconds(row)) > (best["fits"], -_seconds(best)):
            best = row
        if row["fits"] and not candidate.is_variant:
            break
    named = {"board": board.name, "title": board.title}
    return {**named, **(best or {"fits": False, "target": None, "reason": _reason(board)})}


def _candidates(board: Board, variants: Sequence[Candidate], compile_for: Compile) -> Iterator[Candidate]:
    """What the recipe has for a board; then, where nothing of it fits, what can be compiled for the board's NPU."""
    mine = [one for one in variants if suits(board, one.target)]
    yield from mine
    if any(not shortages(board, one.target.memory_mode, one.sizes) for one in mine):
        return
    first = mine[0].target if mine else default_target(board.npu.families[0], board.npu.macs)
    for target in ([] if mine else [first]) + in_other_modes(first):
        candidate = compile_for(target)
        if candidate:
            yield candidate


def _fitted(board: Board, candidate: Candidate) -> dict[str, Any]:
    target, sizes, seconds = candidate.target, candidate.sizes, candidate.inference_s
    short = shortages(board, target.memory_mode, sizes)
    return {
        "fits": not short,
        "target": {key: getattr(target, key) for key in ("npu", "system_config", "memory_mode")},
        "variant": target.variant if candidate.is_variant else None,
        "sizes": asdict(sizes) | {"planned": list(sizes.planned)},
        "inference": seconds and {"value": seconds, "unit": "s", "kind": "estimate", "source": "vela"},
        "shortages": short,
        "left_for_code_bytes": room_for_code(board, target.memory_mode, sizes),
    }


def _seconds(row: dict[str, Any]) -> float:
    return float(row["inference"]["value"]) if row["inference"] else float("inf")


def _reason(board: Board) -> str:
    family = catalog().families[board.npu.families[0]]
    npu = default_target(family.name, board.npu.macs).npu
    return f"not lowered for {family.title}: add a target with npu: {npu}"


def shortages(board: Board, memory_mode: str, sizes: ModelSizes) -> list[dict[str, Any]]:
    """Each region that model, planned buffers, scratch and stack overflow, with what is in it; none when all fit."""
    placement = board.placement_for(memory_mode)
    buffers = placed_buffers(placement, sizes.planned, {})
    parts = known_parts(placement, board.stack_size, 0, sizes.manifest, buffers)
    return [
        {
            "region": region.name,
            "bytes": region.size,
            "missing": sum(part.bytes for part in here) - region.size,
            "parts": {part.name: part.bytes for part in here},
        }
        for region, here in overfull(board, parts)
    ]


def room_for_code(board: Board, memory_mode: str, sizes: ModelSizes) -> int:
    """The bytes of the region of the code that are left for it."""
    placement = board.placement_for(memory_mode)
    parts = known_parts(placement, board.stack_size, 0, sizes.manifest)
    return board.region(placement.code).size - sum(part.bytes for part in parts if part.region == placement.code)
