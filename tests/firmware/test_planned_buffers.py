"""Planned buffers outside of the arena: in which region each lies, its section, and what does not fit."""

from __future__ import annotations

from dataclasses import replace

import pytest

from etbuild.errors import StepError
from etbuild.firmware.board_files import Layout, linker_script
from etbuild.firmware.planned_buffers import PlacedBuffer, placed_buffers, source
from etbuild.firmware.sizes import known_parts, misfit
from etbuild.hardware.boards import Board, board_file, load_board

MANIFEST = {
    "pte": {"bytes": 1000},
    "memory": {"planned_bytes": [64, 0, 2048], "scratch_bytes": 0, "fast_scratch_bytes": 0},
}


@pytest.fixture(scope="module")
def board() -> Board:
    file = board_file("qemu-mps3-an547")
    assert file
    return load_board(file)


def test_a_program_with_one_buffer_has_none_outside_of_the_arena(board: Board) -> None:
    """What ExecuTorch plans by default."""
    assert placed_buffers(board.placement, [4096], {}) == ()


def test_memory_id_3_is_where_the_variables_are(board: Board) -> None:
    """ExecuTorch's planned fast memory; other buffers are in the arena."""
    assert placed_buffers(board.placement, [64, 32, 2048], {}) == (PlacedBuffer(3, "dtcm", 2048),)


def test_a_recipe_says_where_a_buffer_is(board: Board) -> None:
    """Also that of memory id 3; what it puts into the arena's region is in the arena."""
    chosen = {2: "ddr", 3: "sram"}

    assert placed_buffers(board.placement, [64, 32, 2048], chosen) == (PlacedBuffer(2, "ddr", 32),)


def test_an_empty_buffer_needs_no_region(board: Board) -> None:
    """A planner that uses 1 and 3 leaves 2 empty."""
    assert placed_buffers(board.placement, [64, 0, 0], {}) == ()


@pytest.mark.parametrize("memory_id", [2, 4])
def test_a_buffer_that_the_program_lacks_is_refused(board: Board, memory_id: int) -> None:
    """Without one of its own, or with none of these ids."""
    with pytest.raises(StepError) as caught:
        placed_buffers(board.placement, [64, 0, 2048], {memory_id: "dtcm"})

    assert str(caught.value) == (
        f"runtime.planned_memory: got memory id {memory_id}, wanted one of 1, 3, those of the program\n"
        "    a planner of your own gives tensors a mem_id: docs/memory-planning.md"
    )


def test_the_linker_reserves_its_bytes_in_its_region(board: Board) -> None:
    """Without initial values; without such buffers the script is as it was."""
    plain = Layout(board, board.placement, 8192, 0)
    placed = replace(plain, buffers=(PlacedBuffer(3, "dtcm", 2048),))

    reserved = "etb_planned_3 = .; . += 2048; . = ALIGN(16);"
    section = f"    .planned_3 (NOLOAD) : ALIGN(16)\n    {{\n        {reserved}\n    }} > dtcm\n"
    assert section in linker_script(placed)
    assert linker_script(placed).replace(section, "") == linker_script(plain)


def test_the_firmware_gets_its_address(board: Board) -> None:
    """By its memory id."""
    made = source([PlacedBuffer(1, "ddr", 64), PlacedBuffer(3, "dtcm", 2048)])

    assert "        case 1: return {etb_planned_1, 64};\n        case 3: return {etb_planned_3, 2048};\n" in made
    assert "extern std::uint8_t etb_planned_3[];" in made


def test_a_buffer_that_does_not_fit_is_reported_before_the_link(board: Board) -> None:
    """With the key that moves it; what is outside of the arena does not count there."""
    manifest = MANIFEST | {"memory": MANIFEST["memory"] | {"planned_bytes": [64, 0, 1 << 20]}}  # type: ignore[operator]
    parts = known_parts(board.placement, 16384, 0, manifest, (PlacedBuffer(3, "dtcm", 1 << 20),))

    assert misfit(board, parts) == (
        "dtcm of the board has 524,288 bytes, 540,672 too few:\n"
        "    stack                 16,384\n"
        "    planned fast       1,048,576\n"
        "    total              1,064,960\n"
        "    for stack: a smaller runtime.stack_size\n"
        "    for planned fast: another region in runtime.planned_memory, or fewer tensors with this memory id"
    )
    assert [part.bytes for part in parts if part.name == "planned"] == [64]
