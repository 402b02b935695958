"""What an image is made of: sources, objects kept by content, vectors, sizes; and what does not fit."""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from images import PTES, write_inputs

from etbuild.errors import StepError
from etbuild.firmware import toolchain
from etbuild.firmware.elf_texts import Texts
from etbuild.firmware.select_sources import RUNTIME, Needs, kernel_places, select, selection_source
from etbuild.firmware.sizes import Part, largest_frames, misfit, overflow, read_map, sizes
from etbuild.firmware.vectors import permuted, read_columns, vector_block
from etbuild.hardware.boards import board_file, load_board
from etbuild.steps import firmware

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


def board(name: str = "corstone-300"):  # type: ignore[no-untyped-def]
    file = board_file(name)
    assert file is not None
    return load_board(file)


def test_the_bytes_of_an_image_are_counted_by_who_uses_them() -> None:
    """Initialised variables count as code and as RAM: they are in both."""
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


def test_the_largest_frames_come_first_and_unbounded_ones_before_them() -> None:
    """From GCC's .su files."""
    usage = "load.cc:1:2:etb::a()\t100\tstatic\nload.cc:3:4:etb::b(int)\t8\tdynamic\nx.cc:1:1:etb::c()\t300\tstatic\n"

    assert largest_frames(usage, 2) == [
        {"function": "etb::b(int)", "bytes": 8, "bounded": False},
        {"function": "etb::c()", "bytes": 300, "bounded": True},
    ]


def test_what_cannot_fit_is_a_table_before_the_link() -> None:
    """By how much, and what to try."""
    parts = [Part("planned", "sram", 1_500_000), Part("scratch", "sram", 1_000_000), Part("model", "ddr", 5)]

    assert misfit(board(), parts) == (
        "sram of the board has 2,097,152 bytes, 402,848 too few:\n"
        "    planned            1,500,000\n"
        "    scratch            1,000,000\n"
        "    total              2,500,000\n"
        "    for planned: another region for placement.arena\n"
        "    for scratch: a memory mode with the scratch elsewhere, targets.vela.optimise: Size, or a smaller "
        "arena_cache_size"
    )


def test_what_the_linker_finds_is_the_same_table() -> None:
    """With the code's share."""
    words = "ld: region `dtcm' overflowed by 512 bytes\ncollect2: error: ld returned 1 exit status"

    assert overflow(board(), [Part("stack", "dtcm", 524_000)], words) == (
        "dtcm of the board has 524,288 bytes, 512 too few:\n"
        "    stack                524,000\n"
        "    code and data            800\n"
        "    for stack: a smaller runtime.stack_size"
    )


def test_only_the_kernels_that_the_model_calls_are_selected() -> None:
    """With the sources behind the headers that they include, and one family of the emulator."""
    chosen = select(Needs(("cortex_m::quantize_per_tensor.out",), "emulator", "u55"))

    kernels = {name for name in chosen.sources if name.startswith("kernels/")}
    assert kernels == {"kernels/args.cc", "kernels/layout.cc", "kernels/quantize.cc", "kernels/value.cc"}
    assert "npu/family_u55.cc" in chosen.sources
    assert not any("u85" in name or "ethosu.cc" in name for name in chosen.sources if name.startswith("npu/"))
    assert chosen.kernels == ("kernel_cortex_m_quantize_per_tensor",)


def test_a_model_without_delegates_has_no_npu() -> None:
    """Not even an emulated one."""
    chosen = select(Needs(("aten::add.out",), "", ""))

    assert not any(name.startswith("npu/") for name in chosen.sources)
    assert "port/cortex_m/npu_none.cc" in chosen.sources


def test_the_selection_is_the_table_of_kernels_and_the_families() -> None:
    """The whole of what is generated."""
    needs = Needs(("aten::add.out",), "emulator", "u85")

    assert selection_source(needs, select(needs)) == (
        """\
#include "kernels/kernel.h"
#include "npu/emulator.h"
namespace etb {
extern const Kernel kernel_add;
namespace {
const Kernel* const all[] = {
    &kernel_add,
};
}
const KernelTable kernel_table{all};
namespace port {
extern const npu::Emulator emulator;
const npu::Emulator emulator{nullptr, &npu::u85};
}
}
"""
    )


def test_operators_without_a_kernel_are_all_named_before_anything_is_compiled() -> None:
    """With what to do."""
    with pytest.raises(StepError) as caught:
        select(Needs(("aten::add.out", "aten::fft.out", "aten::sort.values"), "", ""))

    assert str(caught.value) == (
        "firmware: got operators that no CPU kernel is written for: aten::fft.out, aten::sort.values\n"
        "    quantise them so that the NPU takes them, or use runtime.engine: executorch"
    )


def test_every_kernel_has_one_place() -> None:
    """No operator is defined twice."""
    lines = [
        line
        for file in (RUNTIME / "kernels").glob("*.cc")
        for line in file.read_text().splitlines()
        if line.startswith("ETB_KERNEL(")
    ]

    assert len(lines) == len(kernel_places())


def test_vectors_become_the_block_that_the_firmware_reads(tmp_path: Path) -> None:
    """Header, one row an input, and the data at a multiple of 16; app/vectors.h draws it."""
    write_inputs(tmp_path, "linear_cpu.pte")

    block = vector_block(tmp_path / "model.pte", tmp_path / "golden.npz")

    with np.load(tmp_path / "golden.npz") as file:
        inputs = file["input_0"]
    assert block[:4] == b"ETBV"
    version, count, columns, crc, size = struct.unpack_from("<5I", block, 4)
    assert (version, count, columns, size) == (1, 3, 1, len(block))
    assert crc == zlib.crc32(block[24:])
    assert block[24:56] == hashlib.sha256((tmp_path / "model.pte").read_bytes()).digest()
    rank, *sizes_, length = struct.unpack_from("<I8iI", block, 56)
    assert (sizes_[:rank], length) == (list(inputs.shape[1:]), inputs[0].nbytes)
    stride = (length + 15) // 16 * 16
    data = [block[112 + number * stride :][:length] for number in range(3)]
    assert data == [one.tobytes() for one in inputs]


def test_vectors_of_another_shape_are_refused(tmp_path: Path) -> None:
    """With both shapes."""
    write_inputs(tmp_path, "linear_cpu.pte")
    np.savez(tmp_path / "golden.npz", input_0=np.zeros((1, 2, 3), np.float32))

    with pytest.raises(StepError, match=r"input_0: got shape \[2, 3\], wanted \["):
        vector_block(tmp_path / "model.pte", tmp_path / "golden.npz")


def test_arrays_are_read_as_numpy_writes_them(tmp_path: Path) -> None:
    """Stored and compressed."""
    array = np.arange(6, dtype=np.int16).reshape(2, 3)
    np.savez(tmp_path / "plain.npz", input_0=array)
    np.savez_compressed(tmp_path / "small.npz", input_0=array)

    for name in ("plain.npz", "small.npz"):
        (column,) = read_columns(tmp_path / name, "input")
        assert (column.shape, column.dtype, column.vector(1)) == ((2, 3), "i2", array[1].tobytes())


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (2, 0, 1)])
def test_elements_are_laid_out_in_the_order_of_the_dimensions(order: tuple[int, ...]) -> None:
    """As numpy's transpose does."""
    array = np.arange(24, dtype=np.int32).reshape(2, 3, 4)

    assert permuted(array.tobytes(), array.shape, order, 4) == array.transpose(order).tobytes()


def test_an_object_is_made_once_for_the_same_content_wherever_it_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two checkouts, one object; a changed header makes another."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    objects = []
    for place in ("one", "two"):
        folder = tmp_path / place
        (folder / "a").mkdir(parents=True)
        (folder / "a/b.h").write_text("constexpr int value = 1;\n")
        (folder / "a/b.cc").write_text('#include "a/b.h"\nextern int number;\nint number = value;\n')
        objects.append(_compile(folder))
    before = objects[1].object.read_bytes()
    (tmp_path / "two/a/b.h").write_text("constexpr int value = 2;\n")
    changed = _compile(tmp_path / "two")

    assert objects[0].object == objects[1].object
    assert changed.object != objects[0].object
    assert str(tmp_path).encode() not in before


def test_a_compiler_that_fails_shows_its_command_and_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And leaves nothing in the cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "a").mkdir()
    (tmp_path / "a/b.cc").write_text("int f() { return wrong; }\n")

    with pytest.raises(StepError) as caught:
        _compile(tmp_path)

    assert str(caught.value).startswith("arm-none-eabi-g++: ended with exit code 1\n    arm-none-eabi-g++ -mthumb -g")
    assert "'wrong' was not declared in this scope" in str(caught.value)
    assert list((tmp_path / "cache/etbuild/objects").glob("*.o")) == []


def _compile(folder: Path) -> toolchain.Object:
    unit = toolchain.Compilation("a/b", folder / "a/b.cc", ("-mthumb", "-g"))
    return toolchain.Toolchain((("firmware", folder),)).compile([unit])[0]


@pytest.mark.e2e
def test_an_image_does_not_depend_on_the_folder_it_is_made_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every output, from an empty cache each time."""
    made = []
    for place in ("here", "there/deeper"):
        folder = tmp_path / place
        folder.mkdir(parents=True)
        monkeypatch.chdir(folder)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / f"cache of {place}"))
        write_inputs(folder, "linear_cpu.pte")
        assert firmware.main(OPTIONS) == 0
        made.append({str(file): file.read_bytes() for file in sorted(Path().rglob("*")) if file.is_file()})

    assert set(made[0]) >= {"firmware.elf", "firmware.bin", "firmware.hex", "firmware.map", "sizes.json"}
    assert [name for name in made[0] if made[0][name] != made[1][name]] == []
    assert str(tmp_path).encode() not in b"".join(made[0].values())


@pytest.mark.e2e
def test_a_stack_larger_than_its_memory_is_refused_before_the_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a table."""
    monkeypatch.chdir(tmp_path)
    write_inputs(tmp_path, "linear_cpu.pte")
    options = [*OPTIONS]
    options[options.index("--stack") + 1] = "1000000"

    with pytest.raises(StepError) as caught:
        firmware.main(options)

    assert str(caught.value).startswith(
        "model.pte: does not fit on QEMU mps3-an547, emulated NPU\ndtcm of the board has 524,288 bytes, 475,712 too few"
    )


@pytest.mark.e2e
def test_a_stack_that_leaves_no_room_for_variables_is_found_by_the_linker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And told in the same way."""
    monkeypatch.chdir(tmp_path)
    write_inputs(tmp_path, "linear_cpu.pte")
    options = [*OPTIONS]
    options[options.index("--stack") + 1] = "524288"

    with pytest.raises(StepError) as caught:
        firmware.main(options)

    assert "dtcm of the board has 524,288 bytes, " in str(caught.value)
    assert "    for stack: a smaller runtime.stack_size" in str(caught.value)


@pytest.mark.e2e
def test_the_texts_of_errors_are_beside_the_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the ELF file, not in what is loaded."""
    monkeypatch.chdir(tmp_path)
    write_inputs(tmp_path, "linear_cpu.pte")
    assert firmware.main(OPTIONS) == 0

    text = b"test vectors: damaged, their CRC is wrong"
    assert text in Path("firmware.elf").read_bytes()
    assert text not in Path("firmware.bin").read_bytes()
    assert Texts(Path("firmware.elf")).at(0)


def test_a_file_that_is_no_elf_file_has_no_texts(tmp_path: Path) -> None:
    """A number stays a number."""
    (tmp_path / "x.elf").write_bytes(b"\x7fELF\x01\x01" + bytes(20))

    assert Texts(tmp_path / "x.elf").at(0x40) == "text 0x40"
    assert Texts(PTES / "linear_cpu.pte").at(1) == "text 0x1"


OPTIONS = [
    *("--board", "qemu-mps3-an547", "--driver", "emulator", "--stack", "16384"),
    *("--pte", "model.pte", "--manifest", "manifest.json", "--vectors", "golden.npz", "--output", "."),
]


@pytest.mark.e2e
def test_sizes_are_those_of_the_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model's bytes are the .pte's, and the code's those of firmware.bin but for alignment."""
    monkeypatch.chdir(tmp_path)
    write_inputs(tmp_path, "linear_cpu.pte")
    assert firmware.main(OPTIONS) == 0

    figures = json.loads(Path("sizes.json").read_text())

    assert figures["model_bytes"] == Path("model.pte").stat().st_size
    assert 0 <= Path("firmware.bin").stat().st_size - figures["code_bytes"] < 16
    assert figures["largest_frames"][0]["bounded"]
