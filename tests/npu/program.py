"""Small command streams for directed tests: built by name, stored as TOML, run on the emulator.

A stream file holds the NPU's CONFIG word, the program as the disassembler would write it, what the regions hold before
and what must be there after. directed.py makes the committed ones.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from etbuild.npu.command_stream import Job, assemble, build_payload, command, encode
from etbuild.npu.command_table import load
from etbuild.npu.disassembler import text
from etbuild.pte.driver_payload import product_of

if TYPE_CHECKING:
    from tests.npu.native import Array, Emulator, Outcome

Pads = tuple[int, int, int, int]

CONFIGS = {
    "ethos-u55-128": 0x00001807,
    "ethos-u65-256": 0x10003008,
    "ethos-u65-512": 0x10006009,
    "ethos-u85-256": 0x20000118,
    "ethos-u85-1024": 0x2000251A,
}


@dataclass(frozen=True)
class Block:
    """Values in a region. data: flat, of a dtype that numpy knows."""

    region: int
    address: int
    data: Array


@dataclass(frozen=True)
class StreamTest:
    """One stream with its memory before and after."""

    title: str
    config: int
    program: str
    sizes: tuple[int, ...]
    before: tuple[Block, ...]
    after: tuple[Block, ...]

    def payload(self) -> bytes:
        """The driver payload."""
        words = encode(assemble(self.program.splitlines(), product_of(self.config)))
        return build_payload(Job(self.config, 0, tuple(words)))

    def regions(self) -> dict[int, Array]:
        """Fresh memory, garbage but for `before`."""
        regions = {number: np.full(size, 0xA5, np.uint8) for number, size in enumerate(self.sizes) if size}
        for block in self.before:
            data = np.frombuffer(block.data.tobytes(), np.uint8)
            regions[block.region][block.address : block.address + data.size] = data
        return regions

    def differences(self, regions: dict[int, Array]) -> list[str]:
        """What `after` wants and the regions do not have."""
        found = []
        for block in self.after:
            got = regions[block.region][block.address : block.address + block.data.nbytes].copy().view(block.data.dtype)
            found += [
                f"region {block.region} + {block.address}, element {i}: got {got[i]}, wanted {block.data[i]}"
                for i in np.flatnonzero(got != block.data)
            ]
        return found

    def run(self, emulator: Emulator) -> tuple[Outcome, list[str]]:
        """Run it; the outcome and the differences."""
        regions = self.regions()
        outcome = emulator.run(self.payload(), regions)
        return outcome, self.differences(regions)


def read(path: Path) -> list[StreamTest]:
    """All tests of a stream file."""
    data = tomllib.loads(path.read_text(encoding="utf-8"))

    def blocks(rows: Sequence[dict[str, Any]]) -> tuple[Block, ...]:
        return tuple(Block(row["region"], row["address"], np.array(row["values"], row["dtype"])) for row in rows)

    return [
        StreamTest(
            test["title"], test["config"], test["program"], tuple(test["sizes"]), blocks(test.get("before", ())),
            blocks(test["after"]),
        )
        for test in data["test"]
    ]  # fmt: skip


def _blocks_text(kind: str, blocks: tuple[Block, ...]) -> str:
    rows = []
    for block in blocks:
        values = ", ".join(str(value) for value in block.data.ravel().tolist())
        dtype = block.data.dtype.name
        rows.append(
            f'    {{region = {block.region}, address = {block.address}, dtype = "{dtype}", values = [{values}]}},'
        )
    return "\n".join([f"{kind} = [", *rows, "]"])


def write(head: str, tests: Sequence[StreamTest]) -> str:
    """The text of a stream file."""
    parts = [
        f"# {head}\n# Made by `python -m tests.npu.directed`; the expected values are numpy's, not the emulator's.\n"
    ]
    for test in tests:
        parts.append(
            f'[[test]]\ntitle = "{test.title}"\nconfig = {test.config:#010x}\nsizes = {list(test.sizes)}\n'
            f"{_blocks_text('before', test.before)}\n{_blocks_text('after', test.after)}\n"
            f'program = """\n{test.program}"""\n'
        )
    return "\n".join(parts)


@dataclass
class Program:
    """Collects commands and memory. Addresses are handed out from 16-byte steps of one region each for data (1) and
    weights (0)."""

    npu: str
    lines: list[str] = field(default_factory=list)
    before: list[Block] = field(default_factory=list)
    after: list[Block] = field(default_factory=list)
    used: dict[int, int] = field(default_factory=lambda: {0: 0, 1: 0, 2: 0})
    registers: dict[str, int] = field(default_factory=dict)

    @property
    def family(self) -> str:
        return product_of(CONFIGS[self.npu])

    def set(self, name: str, value: int | str | None = None, /, **fields: int | str) -> None:
        """One command, register or operation; a register that holds the value already is not written, as Vela does."""
        if value is not None:
            fields = {load().named(name, self.family).fields[0].name: value}
        one = command(name, self.family, fields)
        if one.is_operation or self.registers.get(name) != one.raw:
            self.lines.append(" ".join(text(one).split()))
        if not one.is_operation:
            self.registers[name] = one.raw

    def place(self, data: Array, region: int = 1) -> int:
        """Put values into a region before the run; returns their address."""
        address = self.reserve(data.nbytes, region)
        self.before.append(Block(region, address, data.ravel()))
        return address

    def reserve(self, size: int, region: int = 1) -> int:
        """Room for a result."""
        address = self.used[region]
        self.used[region] = (address + size + 15) // 16 * 16
        return address

    def expect(self, address: int, data: Array, region: int = 1) -> None:
        """What must be there after the run."""
        self.after.append(Block(region, address, data.ravel()))

    def finish(self, title: str) -> StreamTest:
        """Ends with STOP."""
        self.set("STOP", 0xFFFF)
        sizes = tuple(self.used[region] for region in sorted(self.used))
        lines = "".join(f"{line}\n" for line in self.lines)
        return StreamTest(title, CONFIGS[self.npu], lines, sizes, tuple(self.before), tuple(self.after))

    def map(self, which: str, address: int, shape: tuple[int, int, int], dtype: str, **options: int) -> None:
        """The registers of a feature map: dense NHWC, or NHCWB16 with brick=1. options: region, zero_point, brick, and
        further fields of its PRECISION register."""
        height, width, depth = shape
        kind = np.dtype(dtype)
        brick, region, zero_point = options.pop("brick", 0), options.pop("region", 1), options.pop("zero_point", 0)
        self.set(f"{which}_REGION", region)
        for tile in range(4):
            self.set(f"{which}_BASE{tile}", address)
        for name, value in (("HEIGHT0", height), ("HEIGHT1", height), ("WIDTH0", width)):
            self.set(f"{which}_{name}_M1", value)
        element = kind.itemsize
        bricks = (depth + 15) // 16
        self.set(f"{which}_STRIDE_Y", width * bricks * 16 * element if brick else width * depth * element)
        self.set(f"{which}_STRIDE_X", 16 * element if brick else depth * element)
        self.set(f"{which}_STRIDE_C", width * 16 * element if brick else element)
        self.set(f"{which}_ZERO_POINT", zero_point & 0xFFFF)
        code = {1: 0, 2: 1, 4: 2, 8: 3}[element]
        self.set(f"{which}_PRECISION", signed=int(kind.kind == "i"), element=code, brick=brick, **options)

    def output(self, shape: tuple[int, int, int]) -> None:
        """The size of the result."""
        for name, value in zip(("HEIGHT", "WIDTH", "DEPTH"), shape, strict=True):
            self.set(f"OFM_{name}_M1", value)

    def kernel(
        self, height: int = 1, width: int = 1, pads: tuple[int, int, int, int] = (0, 0, 0, 0), **stride: int
    ) -> None:
        """Kernel (dilated size), padding (top, left, bottom, right) and KERNEL_STRIDE's fields."""
        self.set("KERNEL_HEIGHT_M1", height)
        self.set("KERNEL_WIDTH_M1", width)
        self.set("KERNEL_STRIDE", **{"dilation_x": 1, "dilation_y": 1, **stride})
        for name, value in zip(("TOP", "LEFT", "BOTTOM", "RIGHT"), pads, strict=True):
            self.set(f"IFM_PAD_{name}", value)

    def clamp(self, low: int, high: int) -> None:
        """No table, these limits."""
        self.set("ACTIVATION", function="CLAMP")
        self.set("ACTIVATION_MIN", low & 0xFFFF)
        self.set("ACTIVATION_MAX", high & 0xFFFF)
