"""Planned buffers outside of the arena: which there are, their sections, and their addresses for the firmware.

A program's tensors are in planned buffers; a tensor's memory id is the number of its buffer, from 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from etbuild.errors import StepError

if TYPE_CHECKING:
    from etbuild.hardware.board import Placement

# The memory id that ExecuTorch's firmware for Arm keeps in fast memory ("planned fast memory").
FAST_MEMORY = 3


class PlacedBuffer(NamedTuple):
    """A planned buffer in a region of its own."""

    memory_id: int
    region: str
    bytes: int

    @property
    def symbol(self) -> str:
        return f"etb_planned_{self.memory_id}"


def placed_buffers(
    placement: Placement, planned_bytes: Sequence[int], chosen: Mapping[int, str]
) -> tuple[PlacedBuffer, ...]:
    """The planned buffers that are not in the arena.

    planned_bytes: of each buffer, that of memory id 1 first.
    chosen:        the region by memory id, as the recipe says; FAST_MEMORY is where the variables are, all others in
                   the arena.
    raises:        StepError for a memory id that the program does not have.
    """
    sizes = dict(enumerate(planned_bytes, 1))
    for memory_id in chosen:
        if not sizes.get(memory_id):
            used = ", ".join(str(number) for number, count in sizes.items() if count)
            raise StepError(
                f"runtime.planned_memory: got memory id {memory_id}, wanted one of {used}, those of the program\n"
                "    a planner of your own gives tensors a mem_id: docs/memory-planning.md"
            )
    regions = {FAST_MEMORY: placement.data, **chosen}
    found = [PlacedBuffer(one, regions[one], sizes[one]) for one in sorted(regions) if sizes.get(one)]
    return tuple(one for one in found if one.region != placement.arena)


def sections(buffers: Iterable[PlacedBuffer], segment: str) -> str:
    """Their sections of the linker script. segment: as of board_files."""
    return "".join(
        f"    .planned_{one.memory_id} (NOLOAD) : ALIGN(16)\n    {{\n"
        f"        {one.symbol} = .; . += {one.bytes}; . = ALIGN(16);\n    }} > {one.region}{segment}\n"
        for one in buffers
    )


def source(buffers: Sequence[PlacedBuffer]) -> str:
    """The generated planned.cc: port::planned_buffer."""
    names = "".join(f"extern std::uint8_t {one.symbol}[];\n" for one in buffers)
    cases = "".join(f"        case {one.memory_id}: return {{{one.symbol}, {one.bytes}}};\n" for one in buffers)
    return f"""\
#include "port/port.h"
extern "C" {{
{names}}}
namespace etb::port {{
MutableBytes planned_buffer(std::size_t memory_id) {{
    switch (memory_id) {{
{cases}        default: return {{}};
    }}
}}
}}  // namespace etb::port
"""
