"""What Vela estimates of each layer that it compiled, from its debug database: cycles, MACs, traffic by memory.

Every figure is Vela's estimate. It decodes no command.
"""

from __future__ import annotations

import csv
import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from etbuild.npu.debug_database import tables_of

# Columns of table perf_debug, "SramWeights_read".
_TRAFFIC = re.compile(r"(Sram|Dram|OnChipFlash|OffChipFlash)(FeatureMap|Weights|Scales|Lut)_(read|write)")
_MEMORIES = {"Sram": "sram", "Dram": "dram", "OnChipFlash": "on_chip_flash", "OffChipFlash": "off_chip_flash"}


@dataclass(frozen=True)
class VelaLayer:
    """A layer of the stream.

    tensor:   that it computes, as the TOSA graph or Vela names it.
    source:   the number of its operator in the TOSA graph; None where it has none.
    ends:     byte offsets of its operations in the stream; operations for it (DMA) that end none come before.
    cycles:   by what takes them ("npu", "sram_access"...); "total" is what the layer takes.
    traffic:  bytes read and written, by memory.
    mac_utilisation: share of the multipliers that work, 0 to 1; None where Vela says none.
    """

    tensor: str
    operator: str
    source: int | None
    ends: tuple[int, ...]
    cycles: dict[str, int]
    macs: int
    staging_bytes: int
    traffic: dict[str, tuple[int, int]]
    mac_utilisation: float | None = None


@dataclass(frozen=True)
class VelaTensor:
    """A buffer that Vela placed. address, size: in bytes, of its memory; usage: Vela's word.

    first, last: the layers during which it is in use, by number in the order of the database; None where not known.
    """

    name: str
    memory: str
    address: int
    size: int
    first: int | None
    last: int | None
    usage: str


def read_estimates(path: Path) -> list[VelaLayer]:
    """The layers in a database, in the order of the stream; none in a file with other content. The utilisation is in
    <n>_per-layer.csv beside <n>_debug.xml."""
    tables = tables_of(path)
    operators = {row.get("id", ""): row.get("ext_key", "") for row in tables.get("source", [])}
    traffic = {row.get("id", ""): _traffic(row) for row in tables.get("perf_debug", [])}
    ends: dict[str, list[int]] = {}
    for row in tables.get("queue", []):
        if row.get("offset", "").isdigit():
            ends.setdefault(row.get("scheduled_id", ""), []).append(int(row["offset"]))
    found, rows = [], tables.get("perf", [])
    for row, share in zip(rows, _utilisation(path, rows), strict=True):
        key = row.get("id", "")
        if key not in ends:
            continue
        source = operators.get(row.get("source_id", ""), "")
        number = int(source) if source.isdigit() else None
        figures = _cycles(row), _int(row.get("mac_count")), _int(row.get("staging_usage")), traffic.get(key, {}), share
        found.append(
            VelaLayer(row.get("name", ""), row.get("operator", ""), number, tuple(sorted(ends[key])), *figures)
        )
    return sorted(found, key=lambda layer: layer.ends)


def layer_at(layers: Sequence[VelaLayer]) -> Callable[[int], int | None]:
    """A function from a word of the stream to the number of the layer that its operation is for; None at the end."""
    places = sorted((end, number) for number, layer in enumerate(layers) for end in layer.ends)
    ends = [end for end, _ in places]

    def at(word: int) -> int | None:
        index = bisect_left(ends, word * 4)
        return places[index][1] if index < len(places) else None

    return at


def read_allocation(path: Path) -> list[VelaTensor]:
    """The buffers of a database that are placed, in the order of their addresses."""
    tables = tables_of(path)
    time_of = {row.get("id", ""): _int(row.get("time_index")) for row in tables.get("perf_debug", [])}
    times = [time_of.get(row.get("id", ""), -1) for row in tables.get("perf", [])]
    found = []
    for row in tables.get("tensors", []):
        places = row.get("start_address", ""), row.get("size", "")
        if not all(one.startswith("0x") for one in places):
            continue
        address, size = (int(one, 16) for one in places)
        memory = _MEMORIES.get(row.get("memory", ""), row.get("memory", "").lower())
        begin, end = _int(row.get("start_time")), _int(row.get("end_time"))
        life = [number for number, time in enumerate(times) if begin <= time <= end]
        first, last = (life[0], life[-1]) if life else (None, None)
        found.append(VelaTensor(row.get("name", ""), memory, address, size, first, last, row.get("usage", "")))
    return sorted(found, key=lambda one: (one.memory, one.address, one.first or 0, one.name))


def _utilisation(path: Path, rows: Sequence[dict[str, str]]) -> list[float | None]:
    """Of each row of table perf; None for all if the file has other layers."""
    file = path.with_name(path.name.replace("_debug.xml", "_per-layer.csv"))
    with file.open(newline="") if file.is_file() else nullcontext(()) as lines:
        found = list(csv.DictReader(lines))
    if [one.get("Name") for one in found] != [row.get("name") for row in rows]:
        return [None] * len(rows)
    return [float(one["Util% (MAC)"]) / 100 for one in found]


def _cycles(row: dict[str, str]) -> dict[str, int]:
    access = {f"{name}_access": _int(row.get(f"{memory}_ac")) for memory, name in _MEMORIES.items()}
    return {"npu": _int(row.get("npu_cycles")), **access, "total": _int(row.get("op_cycles"))}


def _traffic(row: dict[str, str]) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for column, text in row.items():
        match = _TRAFFIC.fullmatch(column)
        if match and (count := _int(text)):
            read, written = found.get(_MEMORIES[match[1]], (0, 0))
            is_read = match[3] == "read"
            found[_MEMORIES[match[1]]] = (read + count, written) if is_read else (read, written + count)
    return found


def _int(text: str | None) -> int:
    return int(text) if text and text.lstrip("-").isdigit() else 0
