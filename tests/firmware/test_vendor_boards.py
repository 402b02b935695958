"""The images of the vendors' boards: what their loaders, and the cores' start, demand of them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from images import build

from etbuild.errors import StepError
from etbuild.firmware.elf_segments import check_loadable, segments
from etbuild.firmware.toolchain import run_tool
from etbuild.hardware.board_console import Loader, LoaderWindow
from etbuild.hardware.boards import board_file, load_board

if TYPE_CHECKING:
    from etbuild.hardware.board import Board

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not shutil.which("arm-none-eabi-g++"), reason="no cross compiler on this machine"),
]
# What the .pte is compiled for does not matter: nothing is run.
IMAGES = {
    "alif-e8-he": ("linear_u55.pte", "ethos-u55-128"),
    "alif-e8-hp": ("linear_u55.pte", "ethos-u55-256"),
    "alif-e8-hp-u85": ("linear_u85_segment.pte", "ethos-u85-256"),
    "imx93-evk": ("linear_u65_512.pte", "ethos-u65-256"),
}
MOST_CODE = 24576


class Built:
    """One image with what readelf says about it."""

    def __init__(self, folder: Path, name: str) -> None:
        self.board = shipped(name)
        self.folder = folder
        build(folder, *IMAGES[name], name)
        self.elf = folder / "firmware.elf"
        self.figures = json.loads((folder / "sizes.json").read_text())
        text = readelf("-SW", self.elf)
        rows = re.findall(r"\] (\.\S+) +\w+ +([0-9a-f]{8}) \w+ ([0-9a-f]+) \w+ +([A-Z]*)", text)
        self.sections = {name: (int(address, 16), int(size, 16)) for name, address, size, flags in rows if "A" in flags}
        self.entry = int(readelf("-h", self.elf).split("Entry point address:")[1].split()[0], 16)


def readelf(option: str, elf: Path) -> str:
    command = ["arm-none-eabi-readelf", option, str(elf)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def shipped(name: str) -> Board:
    file = board_file(name)
    assert file is not None
    return load_board(file)


@pytest.fixture(scope="module", params=IMAGES)
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp(request.param)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return Built(folder, request.param)


def test_every_segment_is_inside_of_a_memory_of_the_board(built: Built) -> None:
    """Where it runs and where it is loaded."""
    for one in segments(built.elf):
        for start in (one.address, one.load):
            assert any(region.address <= start and start + one.bytes <= region.end for region in built.board.memory)


def test_the_vector_table_is_where_the_code_begins_and_aligned_for_vtor(built: Built) -> None:
    """Its reset handler is the ELF file's entry, and it has an entry for the NPU's interrupt."""
    name = ".interrupts" if built.board.loader else ".vectors"
    address, size = built.sections[name]
    words = (built.folder / "firmware.bin").read_bytes()[4:8]

    assert address == built.board.region(built.board.placement.code).address
    assert address % built.board.vector_alignment == 0
    assert size == 4 * (16 + built.board.npu.interrupt + 1)
    assert int.from_bytes(words, "little") == built.entry | 1


def test_the_binary_is_what_the_memory_of_the_code_holds(built: Built) -> None:
    """From its first byte; the size is a multiple of what the programmer of the flash wants."""
    code = built.board.region(built.board.placement.code)
    image = bytearray()
    data = built.elf.read_bytes()
    head = data[: len(data)]
    start = int.from_bytes(head[0x1C:0x20], "little")
    count = int.from_bytes(head[0x2C:0x2E], "little")
    for number in range(count):
        row = [int.from_bytes(head[start + 32 * number + 4 * i :][:4], "little") for i in range(6)]
        _, offset, _, load, file_bytes, _ = row
        if file_bytes and code.address <= load < code.end:
            at = load - code.address
            image.extend(bytes(max(0, at + file_bytes - len(image))))
            image[at : at + file_bytes] = head[offset : offset + file_bytes]
    binary = (built.folder / "firmware.bin").read_bytes()

    assert len(binary) % built.board.bin_alignment == 0
    assert binary.rstrip(b"\0") == bytes(image).rstrip(b"\0")
    assert 0 <= len(binary) - len(image) < max(16, built.board.bin_alignment)


def test_the_code_with_the_register_driver_is_small(built: Built) -> None:
    """At most 24 KiB."""
    print(f"{built.board.name}: code {built.figures['code_bytes']:,} bytes")
    assert built.figures["code_bytes"] <= MOST_CODE


def test_a_firmware_has_no_code_for_a_ptd_file(built: Built) -> None:
    """None is ever given to one; a program with weights elsewhere is refused as before."""
    assert "DataFile::" not in run_tool(["arm-none-eabi-nm", "-C", str(built.elf)])


def test_linux_can_load_the_image_of_imx93(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every segment ends before the last byte of its window, is whole in the file, and none is in OCRAM, which Linux
    does not map; the section .interrupts is there, and the resource table names the trace buffer.
    """
    monkeypatch.chdir(tmp_path)
    made = Built(tmp_path, "imx93-evk")

    assert made.board.loader is not None
    check_loadable(made.elf, made.board.loader)
    for one in segments(made.elf):
        assert one.file_bytes == one.bytes
        windows = [(0x0FFC0000, 0x10000000), (0x20000000, 0x20040000), (0xC0000000, 0xD0000000)]
        assert any(first <= one.load and one.load + one.bytes < end for first, end in windows)
    assert ".interrupts" in made.sections
    address, size = made.sections[".resource_table"]
    assert (address, size) == (0xCFF00000, 68)
    run_tool(["arm-none-eabi-objcopy", "-O", "binary", "-j", ".resource_table", str(made.elf), "table.bin"])
    table = Path("table.bin").read_bytes()
    words = [int.from_bytes(table[at : at + 4], "little") for at in range(0, 36, 4)]
    assert words == [1, 1, 0, 0, 20, 2, 0xCFF00200, (1 << 20) - 0x200 - 16, 0]
    assert table[36:].rstrip(b"\0") == b"etbuild"


@pytest.mark.parametrize(("size", "fits"), [(0, False), (1, True)])
def test_a_segment_that_ends_with_its_window_is_refused(built: Built, size: int, fits: bool) -> None:
    """As by Linux; one byte more is enough."""
    windows = tuple(LoaderWindow(f"w{i}", one.load, one.bytes + size) for i, one in enumerate(segments(built.elf)))  # type: ignore[arg-type]  # Bytes
    loader = Loader("remoteproc", windows)
    if fits:
        check_loadable(built.elf, loader)
        return

    with pytest.raises(StepError, match=r"firmware.elf: got a segment from 0x\w+ to 0x\w+, wanted each inside of "):
        check_loadable(built.elf, loader)
