"""Firmware images for the tests: built by the real step from the .pte files of tests/pte, and damaged on demand."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from etbuild.firmware import toolchain
from etbuild.host.program import HostProgram, TensorInfo
from etbuild.pte.reader import read
from etbuild.pte.vela import read_stream
from etbuild.steps import firmware

PTES = Path(__file__).parent.parent / "pte/files"
VECTORS = 3
BOARD = "qemu-mps3-an547"


@dataclass(frozen=True)
class Image:
    """A folder with firmware.elf and the inputs of the step `run`."""

    folder: Path
    npu: str
    driver: str
    board: str

    @property
    def elf(self) -> Path:
        return self.folder / "firmware.elf"

    def run_options(self, elf: Path | None = None) -> list[str]:
        return [
            *("--pte", str(self.folder / "model.pte"), "--golden", str(self.folder / "golden.npz")),
            *("--elf", str(elf or self.elf), "--board", self.board, "--driver", self.driver),
            *(("--npu", self.npu) if self.npu else ()),
            *("--timeout", "20", "--output", str(self.folder / "run.json")),
        ]


def write_inputs(folder: Path, name: str) -> None:
    """model.pte, manifest.json and golden.npz, whose outputs are those of the host."""
    pte = (PTES / name).read_bytes()
    (folder / "model.pte").write_bytes(pte)
    program = HostProgram(folder / "model.pte")
    source = np.random.default_rng(0)
    vectors = [[drawn(source, port) for port in program.inputs] for _ in range(VECTORS)]
    outputs = [
        program.run(*(None if port.dtype == "none" else one for one, port in zip(vector, program.inputs, strict=True)))
        for vector in vectors
    ]
    arrays = {f"input_{i}": np.stack([one[i] for one in vectors]) for i in range(len(program.inputs))}
    arrays |= {f"output_{i}": np.stack([one[i] for one in outputs]) for i in range(len(program.outputs))}
    np.savez(folder / "golden.npz", **arrays)
    parsed = read(folder / "model.pte")
    plan = parsed.methods[0]
    streams = [read_stream(parsed, delegate) for delegate in plan.delegates]
    memory = {
        "planned_bytes": list(plan.buffer_sizes[1:]),
        "scratch_bytes": max((stream.scratch_bytes for stream in streams), default=0),
        "fast_scratch_bytes": 0,
    }
    (folder / "manifest.json").write_text(json.dumps({"pte": {"bytes": len(pte)}, "memory": memory}))


def drawn(source: np.random.Generator, port: TensorInfo) -> np.ndarray:
    """Random values of one input; a number that the program fixes keeps its value, and None has no elements."""
    if port.dtype == "none":
        return np.empty(0, np.uint8)
    if not port.is_tensor:
        return np.asarray(source.integers(1, 9) if port.dynamic else port.value, port.dtype)
    return source.uniform(-1, 1, port.shape).astype(port.dtype)


def build(
    folder: Path, name: str, npu: str = "ethos-u55-128", board: str = BOARD, stack: int = 16384, driver: str = ""
) -> Image:
    """The image of tests/pte/files/NAME for a board. driver: of the NPU; without it an emulator on BOARD."""
    write_inputs(folder, name)
    driver = driver or ("emulator" if board == BOARD else "ethosu")
    code = firmware.main(
        [
            *("--board", board, "--driver", driver, "--stack", str(stack)),
            *(("--npu", npu, "--memory-mode", "Shared_Sram") if npu else ()),
            *("--pte", str(folder / "model.pte"), "--manifest", str(folder / "manifest.json")),
            *("--vectors", str(folder / "golden.npz"), "--output", str(folder)),
        ]
    )
    assert code == 0
    return Image(folder, npu, driver, board)


def section(elf: bytes, name: bytes) -> tuple[int, int]:
    """Offset and size of a section in the file."""
    start = struct.unpack_from("<I", elf, 0x20)[0]
    size, count, names_at = struct.unpack_from("<3H", elf, 0x2E)
    rows = [struct.unpack_from("<10I", elf, start + number * size) for number in range(count)]
    names = rows[names_at][4]
    for row in rows:
        if elf[names + row[0] :].split(b"\0", 1)[0] == name:
            return row[4], row[5]
    raise AssertionError(f"no section {name!r}")


def damaged(image: Image, name: bytes, offset: int, data: bytes) -> Path:
    """A copy of the image with these bytes at an offset of a section."""
    elf = bytearray(image.elf.read_bytes())
    at, _ = section(bytes(elf), name)
    elf[at + offset : at + offset + len(data)] = data
    copy = image.folder / "damaged.elf"
    copy.write_bytes(elf)
    return copy


def undefined(image: Image, function: str) -> tuple[int, bytes]:
    """The offset of a function in .text, and an undefined instruction."""
    elf = image.elf.read_bytes()
    names = toolchain.run_tool(["arm-none-eabi-nm", "-C", str(image.elf)]).splitlines()
    address = next(int(line.split()[0], 16) for line in names if f" {function}(" in line)
    start = struct.unpack_from("<I", elf, 0x20)[0]
    count = struct.unpack_from("<H", elf, 0x30)[0]
    rows = [struct.unpack_from("<10I", elf, start + 40 * number) for number in range(count)]
    at, _ = section(elf, b".text")
    base = next(row[3] for row in rows if row[4] == at and row[3])
    return (address & ~1) - base, b"\x00\xde"
