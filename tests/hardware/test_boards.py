"""Boards: the shipped ones, which files are rejected, and what is made from a board."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from etbuild.config.schemas import schema_file
from etbuild.errors import RecipeError
from etbuild.firmware.board_files import Layout, fvp_arguments, header, linker_script, qemu_arguments
from etbuild.hardware.boards import Board, board_file, board_names, board_of, load_board

SCHEMA = json.loads(schema_file("board").read_text())
GOOD = """\
title: Two regions
cpu: {core: cortex-m55, clock_hz: 1000000, cache_line: 0, counter: dwt}
memory:
  rom: {address: 0, size: 64 KiB, npu: false}
  ram: {address: 0x20000000, size: 1 MiB}
placement: {code: rom, data: ram, stack: ram, model: ram, vectors: ram, arena: ram, scratch: ram, fast_scratch: ram}
stack_size: 4 KiB
npu: {driver: emulator, families: [u55]}
semihosting: true
"""


def board(name: str) -> Board:
    file = board_file(name)
    assert file is not None
    return load_board(file)


def message(tmp_path: Path, text: str) -> str:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(RecipeError) as caught:
        load_board(file, Path("mine.yaml"))
    return str(caught.value)


def test_the_shipped_boards_load() -> None:
    """Each has the name of its file."""
    names = [board(name).name for name in board_names()]

    assert names == list(board_names())
    assert [name for name in names if not name.endswith("-qemu")] == [
        *("alif-e8-he", "alif-e8-hp", "alif-e8-hp-u85", "corstone-300", "corstone-320", "imx93-evk"),
        "qemu-mps3-an547",
    ]


def test_a_users_board_is_read_from_its_path(tmp_path: Path) -> None:
    """Keys that are absent get their defaults."""
    file = tmp_path / "mine.yaml"
    file.write_text(GOOD)

    made = load_board(file)

    assert (made.name, made.is_of_user, made.uart, made.qemu, made.fvp) == ("mine", True, None, "", None)
    assert [(region.name, region.size, region.npu) for region in made.memory] == [
        ("rom", 65536, False),
        ("ram", 1048576, True),
    ]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "core: cortex-m55",
            "core: cortex-m56",
            'mine.yaml:2:13: cpu.core: got "cortex-m56", wanted one of cortex-m33, cortex-m55, cortex-m85\n'
            "    did you mean cortex-m85?",
        ),
        ("size: 1 MiB", "size: 1 MB", 'memory.ram.size: got "1 MB", wanted'),
        (
            "0x20000000",
            "0x8000",
            "mine.yaml:5:18: memory.ram.address: got 0x00008000, inside rom, wanted regions that do not overlap",
        ),
        (
            "0x20000000",
            "0xFFFFFFF0",
            "mine.yaml:5:36: memory.ram.size: got an end at 0x1000ffff0, wanted at most 0x100000000",
        ),
        ("model: ram", "model: rim", 'placement.model: got "rim", wanted one of rom, ram\n'),
        (
            " scratch: ram",
            " scratch: rom",
            'placement.scratch: got "rom", wanted a region that the NPU can reach\n    rom has npu: false',
        ),
        (
            "driver: emulator",
            "driver: ethosu",
            "mine.yaml:8:15: npu.driver: got ethosu without an address, wanted npu.address and npu.interrupt with it",
        ),
        (
            "semihosting: true",
            "semihosting: false",
            "mine.yaml:9:14: semihosting: got no uart and no semihosting, wanted one of them, to print results",
        ),
        (
            "rom: {address: 0, size",
            "rom: {address: 0x40, size",
            "mine.yaml:4:18: memory.rom.address: got 0x00000040, wanted a multiple of 0x80\n"
            "    the vector table is at its start, with 17 entries, and VTOR ignores lower bits",
        ),
        (
            "families: [u55]",
            "families: [u55], axi: {limits: [{reads: 1, writes: 1}, {reads: 1, writes: 1}]}",
            "npu.axi.limits: got 2 for u55, wanted 4 for u55 and u65, or 2 for u85 alone",
        ),
        (
            "semihosting: true",
            "uart: {kind: ns16550, address: 0x1000, baud: 9600}",
            "mine.yaml:9:7: uart.clock_hz: got nothing, wanted a number, with kind: ns16550",
        ),
        (
            "semihosting: true",
            "uart: {kind: remoteproc-trace}",
            "mine.yaml:9:7: uart.region: got nothing, wanted one of rom, ram",
        ),
        (
            "semihosting: true",
            "uart: {kind: remoteproc-trace, region: ram}",
            "mine.yaml:9:40: uart.region: got ram, which holds data too, wanted a region of its own, of at least 1024",
        ),
        ("semihosting: true", "semihosting: true\ninit: [a.py]", 'mine.yaml:10:8: init[0]: got "a.py", wanted '),
        ("stack_size: 4 KiB\n", "", "mine.yaml:1:1: stack_size: got nothing, wanted"),
        ("title: Two", "tittle: Two", "mine.yaml:1:1: tittle: got a key that does not exist, wanted one of title, cpu"),
    ],
)
def test_a_problem_is_reported_at_its_location(tmp_path: Path, old: str, new: str, expected: str) -> None:
    """What the schema checks, and what it cannot check."""
    assert old in GOOD
    assert expected in message(tmp_path, GOOD.replace(old, new, 1))


@pytest.mark.parametrize(
    ("interrupt", "alignment"), [(0, 128), (15, 128), (16, 256), (55, 512), (178, 1024), (366, 2048)]
)
def test_the_vector_table_is_aligned_to_its_size(interrupt: int, alignment: int) -> None:
    """A power of two that is at least its 16 + interrupt + 1 words, and at least 128 bytes."""
    made = board("corstone-300")

    assert replace(made, npu=replace(made.npu, interrupt=interrupt)).vector_alignment == alignment


def test_a_line_of_the_cache_is_in_one_part_of_the_memory() -> None:
    """Arena, scratch and fast scratch begin at a line of 64 bytes where the cache has such."""
    made = board("corstone-300")
    made = replace(made, cpu=replace(made.cpu, cache_line=64))
    script = linker_script(Layout(made, made.placement, 8192, 100))

    assert ".fast_scratch (NOLOAD) : ALIGN(64)" in script
    assert ".arena_start (NOLOAD) : ALIGN(64) { etb_arena = .; } > sram\n" in script


def test_every_size_of_dedicated_sram_has_the_same_placement() -> None:
    """No board names Dedicated_Sram_384KB."""
    made = board("corstone-300")

    assert made.placement_for("Shared_Sram") is made.placement
    assert made.placement_for("Dedicated_Sram_384KB").scratch == "ddr"
    assert made.placement_for("Dedicated_Sram_384KB").fast_scratch == "sram"


def test_a_target_of_another_family_is_incompatible() -> None:
    """The reason names the family that the board has."""
    assert board("corstone-320").incompatibility("u55", 128) == "Arm Corstone-320 has Ethos-U85"
    assert board("corstone-300").incompatibility("u65", 512) == ""


def test_the_header_holds_the_addresses_of_the_board() -> None:
    """The whole text of board.h."""
    assert header(board("corstone-300")) == (
        """\
// Made from boards/corstone-300.yaml.
#pragma once

#include <cstdint>

namespace etb::board {

constexpr char name[] = "corstone-300";
constexpr std::uint32_t clock_hz = 25000000;
constexpr std::uint32_t cache_line = 32;
constexpr bool has_cycle_counter = true;
constexpr bool has_uart = true;
constexpr std::uintptr_t uart_address = 0x59303000;
constexpr std::uint32_t uart_divisor = 217;
constexpr bool semihosting = true;
constexpr std::uintptr_t npu_address = 0x58102000;
constexpr std::uint32_t npu_interrupt = 56;

}  // namespace etb::board
"""
    )


def test_the_linker_script_places_each_part_by_the_memory_mode() -> None:
    """Dedicated_Sram has the arena and the scratch in DDR, where they share what is left."""
    made = board("corstone-300")
    script = linker_script(Layout(made, made.placement_for("Dedicated_Sram_384KB"), 8192, 393216))

    assert "    sram (rwx) : ORIGIN = 0x31000000, LENGTH = 0x200000\n" in script
    assert "etb_fast_scratch = .; . += 393216; etb_fast_scratch_end = .; . = ALIGN(32);\n    } > sram\n" in script
    assert (
        "    .arena_start (NOLOAD) : ALIGN(32) { etb_arena = .; } > ddr\n"
        "    etb_arena_end = ORIGIN(ddr) + LENGTH(ddr);\n"
        "    etb_scratch = etb_arena;\n"
        "    etb_scratch_end = etb_arena_end;\n"
    ) in script


def test_arena_and_scratch_in_two_regions_each_extend_to_its_end() -> None:
    """On the board whose NPU is emulated."""
    made = board("qemu-mps3-an547")
    script = linker_script(Layout(made, made.placement, 8192, 0))

    assert "etb_arena_end = ORIGIN(sram) + LENGTH(sram);" in script
    assert "etb_scratch_end = ORIGIN(ddr) + LENGTH(ddr);" in script


def test_qemu_runs_with_a_clock_that_counts_instructions() -> None:
    """The whole command line."""
    assert " ".join(qemu_arguments(board("qemu-mps3-an547"), Path("firmware.elf"))) == (
        "-machine mps3-an547 -display none -monitor none -serial stdio -semihosting-config enable=on,target=gdb "
        "-icount shift=0,align=off,sleep=off -kernel firmware.elf"
    )


def test_semihosting_is_off_in_qemu_for_a_board_that_does_not_use_it() -> None:
    """It prints on its UART, and nobody takes its exit code."""
    made = replace(board("qemu-mps3-an547"), semihosting=False)

    assert " ".join(qemu_arguments(made, Path("firmware.elf"))) == (
        "-machine mps3-an547 -display none -monitor none -serial stdio -icount shift=0,align=off,sleep=off "
        "-kernel firmware.elf"
    )


def test_a_board_that_prints_through_semihosting_may_start_no_program() -> None:
    """Only QEMU's own semihosting prints; its seccomp filter stops what it does not need."""
    made = replace(board("qemu-mps3-an547"), uart=None)

    assert " ".join(qemu_arguments(made, Path("firmware.elf"))) == (
        "-machine mps3-an547 -display none -monitor none -chardev stdio,id=host -semihosting-config "
        "enable=on,target=native,chardev=host -sandbox on,spawn=deny -icount shift=0,align=off,sleep=off "
        "-kernel firmware.elf"
    )


@pytest.mark.parametrize("name", ['a"; int x; "', "a b", "-a", "a,b", "a*/b", "x" * 65])
def test_a_boards_name_is_one_that_a_compiler_can_take(tmp_path: Path, name: str) -> None:
    """It is written into board.h and the linker script."""
    file = tmp_path / f"{name.replace('/', '')}.yaml"
    file.write_text(GOOD)

    with pytest.raises(RecipeError) as caught:
        load_board(file, Path(file.name))

    wanted = "a file name of letters, digits, dots, hyphens and underscores"
    assert str(caught.value).endswith(f", wanted {wanted}, at most 64\n    rename the file")
    assert str(caught.value).startswith(f"{file.name}: got the name ")


@pytest.mark.parametrize("machine", ["mps3-an547,dumpdtb=/tmp/x", "-kernel", "a b", "a=b"])
def test_the_machine_of_qemu_is_a_name_without_options(tmp_path: Path, machine: str) -> None:
    """A comma would begin an option of -machine."""
    text = GOOD + f'simulators: {{qemu: {{machine: "{machine}"}}}}\n'

    assert message(tmp_path, text) == (
        f'mine.yaml:10:30: simulators.qemu.machine: got "{machine}", wanted the name of a machine: letters, digits,'
        " dots, hyphens and underscores"
    )


def test_a_board_is_made_from_its_lines(tmp_path: Path) -> None:
    """As it is from its file, which may be gone; a comment and spaces are not in the lines."""
    file = tmp_path / "mine.yaml"
    file.write_text(GOOD)
    made = load_board(file)
    file.write_text("# a comment\n" + GOOD.replace("cpu: {", "cpu:  {  "))
    commented = load_board(file)
    file.unlink()

    assert commented == made
    assert board_of(str(file), made.lines) == made


def test_an_fvp_of_corstone_300_gets_its_flags() -> None:
    """MACs, no windows, the UART on stdout, semihosting for the exit code, a time limit."""
    assert " ".join(fvp_arguments(board("corstone-300"), 128, Path("firmware.elf"), True, 60.0)) == (
        "-C ethosu.num_macs=128 -C mps3_board.visualisation.disable-visualisation=1 "
        "-C mps3_board.telnetterminal0.start_telnet=0 -C cpu0.semihosting-enable=1 -C mps3_board.uart0.out_file=- "
        "-C mps3_board.uart0.shutdown_on_eot=1 -a firmware.elf --timelimit 60"
    )


def test_an_fvp_of_corstone_320_gets_its_flags_and_runs_fast_without_timing_adapters() -> None:
    """The instances in its model have other names."""
    assert " ".join(fvp_arguments(board("corstone-320"), 256, Path("firmware.elf"), False, 1.5)) == (
        "-C mps4_board.subsystem.ethosu.num_macs=256 -C mps4_board.visualisation.disable-visualisation=1 "
        "-C vis_hdlcd.disable_visualisation=1 -C mps4_board.telnetterminal0.start_telnet=0 "
        "-C mps4_board.uart0.unbuffered_output=1 -C mps4_board.subsystem.ethosu.extra_args=--fast "
        "-C mps4_board.subsystem.cpu0.semihosting-enable=1 -C mps4_board.uart0.out_file=- "
        "-C mps4_board.uart0.shutdown_on_eot=1 -a firmware.elf --timelimit 1.5"
    )


def test_the_schema_describes_every_key_with_an_example() -> None:
    """For editors, which show both."""
    bare: list[str] = []

    def walk(schema: dict[str, object], path: str) -> None:
        for key, part in schema.get("properties", {}).items():  # type: ignore[attr-defined]
            if not part.get("description") or not part.get("examples"):
                bare.append(f"{path}.{key}")
            walk(part, f"{path}.{key}")
        more = schema.get("additionalProperties")
        if isinstance(more, dict):
            walk(more, f"{path}.*")

    walk(SCHEMA, "board")

    assert bare == []
