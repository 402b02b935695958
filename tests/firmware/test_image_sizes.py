"""Sizes of an image by region and user, and what is reported when something does not fit."""

from __future__ import annotations

from etbuild.firmware.planned_buffers import PlacedBuffer
from etbuild.firmware.sizes import Part, known_parts, largest_frames, misfit, overflow, read_map, sizes
from etbuild.hardware.boards import Board, board_file, load_board

MAP = """\
Discarded input sections

 .text          0x00000000       0x64 objects/app/main.o

Linker script and memory map

LOAD objects/blobs.o

.vectors        0x10000000       0x44
 *(.vectors)
 .vectors       0x10000000       0x44 objects/port/cortex_m/start.o
                0x10000000                vector_table

.text           0x10000044      0x130
 *(.text .text.*)
 .text._ZN3etb3npu11convolutionERNS0_7MachineERNS0_9OperationE
                0x10000044       0x80 objects/npu/convolution.o
 *fill*         0x100000c4        0x4
 .text.strcmp   0x100000c8       0x28 /usr/lib/libc_nano.a(lib_a-strcmp.o)
 .rodata.names  0x100000f0       0x10 objects/kernels/add.o
 .text.gone     0x00000000       0x10 objects/kernels/add.o

.stack          0x30000000     0x1000
                0x30000000                etb_stack = .

.data           0x30001000       0x10 load address 0x10000174
 .data.app      0x30001000       0x10 objects/app/main.o

.bss            0x30001010       0x20
 .bss.clock     0x30001010       0x20 objects/port/cortex_m/clock.o

.model          0x70000000     0x1000
 *(.model)
 .model         0x70000000     0x1000 objects/blobs.o

.texts          0x00000000       0x99
 .texts         0x00000000       0x99 objects/app/main.o

.debug_info     0x00000000      0x500
 .debug_info    0x00000000      0x500 objects/app/main.o
"""


def board(name: str = "corstone-300") -> Board:
    file = board_file(name)
    assert file is not None
    return load_board(file)


def test_the_bytes_of_an_image_are_counted_by_user() -> None:
    """Initialised variables count both as code and as RAM."""
    figures = sizes(board(), read_map(MAP), "")

    assert (figures["code_bytes"], figures["static_ram_bytes"]) == (0x44 + 0x130 + 0x10, 0x30)
    assert (figures["stack_bytes"], figures["model_bytes"]) == (0x1000, 0x1000)
    assert figures["users"] == {
        "kernels": {"code": 16, "ram": 0, "data": 0},
        "libc": {"code": 40, "ram": 0, "data": 0},
        "npu": {"code": 128, "ram": 0, "data": 0},
        "padding": {"code": 4, "ram": 0, "data": 0},
        "runtime": {"code": 0x44 + 16, "ram": 16 + 32, "data": 0},
        "model and vectors": {"code": 0, "ram": 0, "data": 0x1000},
    }
    used = {row["region"]: row["used"] for row in figures["regions"]}
    assert used == {"itcm": 0x44 + 0x130 + 0x10, "dtcm": 0x1030, "sram": 0, "ddr": 0x1000}


def test_the_stack_is_a_user_of_its_own() -> None:
    """In the map it is a fill, as is padding between sections."""
    stack = MAP.replace("etb_stack = .\n", "etb_stack = .\n *fill*         0x30000000     0x1000\n")

    assert stack != MAP
    users = sizes(board(), read_map(stack), "")["users"]
    assert (users["stack"], users["padding"]) == (
        {"code": 0, "ram": 0, "data": 0x1000},
        {"code": 4, "ram": 0, "data": 0},
    )


def test_the_largest_frames_come_first_and_unbounded_ones_before_them() -> None:
    """From GCC's .su files."""
    usage = "load.cc:1:2:etb::a()\t100\tstatic\nload.cc:3:4:etb::b(int)\t8\tdynamic\nx.cc:1:1:etb::c()\t300\tstatic\n"

    assert largest_frames(usage, 2) == [
        {"function": "etb::b(int)", "bytes": 8, "bounded": False},
        {"function": "etb::c()", "bytes": 300, "bounded": True},
    ]


def test_parts_that_do_not_fit_are_reported_before_the_link() -> None:
    """With the missing bytes and remedies."""
    parts = [Part("planned", "sram", 1_500_000), Part("scratch", "sram", 1_000_000), Part("model", "ddr", 5)]

    assert misfit(board(), parts) == (
        "sram of the board has 2,097,152 bytes, 402,848 too few:\n"
        "    planned            1,500,000\n"
        "    scratch            1,000,000\n"
        "    total              2,500,000\n"
        "    for planned: another region for placement.arena\n"
        "    for scratch: a memory mode with another scratch region, targets.vela.optimise: Size, or a smaller "
        "arena_cache_size"
    )


def test_an_overflow_that_the_linker_finds_is_reported_the_same_way() -> None:
    """With the size of the code."""
    words = "ld: region `dtcm' overflowed by 512 bytes\ncollect2: error: ld returned 1 exit status"

    assert overflow(board(), [Part("stack", "dtcm", 524_000)], words) == (
        "dtcm of the board has 524,288 bytes, 512 too few:\n"
        "    stack                524,000\n"
        "    code and data            800\n"
        "    for stack: a smaller runtime.stack_size"
    )


def test_methods_need_the_planned_memory_of_the_largest() -> None:
    """They are loaded one after the other; a buffer with a region of its own is not in the arena."""
    memory = {"planned_bytes": [300, 500, 64], "scratch_bytes": 0, "fast_scratch_bytes": 0}
    methods = [{"planned_bytes": [300]}, {"planned_bytes": [100, 500, 64]}]
    manifest = {"pte": {"bytes": 1}, "memory": memory, "methods": methods}

    parts = known_parts(board().placement, 4096, 0, manifest, [PlacedBuffer(3, "dtcm", 64)])

    assert [one.bytes for one in parts if one.name.startswith("planned")] == [600, 64]
