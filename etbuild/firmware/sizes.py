"""The memory that a firmware uses: sizes.json from the linker's map, and tables of what does not fit its board."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etbuild.firmware.planned_buffers import PlacedBuffer
    from etbuild.hardware.board import Board, Placement, Region

FORMAT = 1

_OUTPUT = re.compile(r"^(\.[\w.]+)\s+0x([0-9a-f]+)\s+0x([0-9a-f]+)(?: load address 0x([0-9a-f]+))?", re.M)
_INPUT = re.compile(r"^ (?:\.?[\w.$-]+|COMMON)\s+0x([0-9a-f]+)\s+0x([0-9a-f]+) (\S+)$", re.M)
_FILL = re.compile(r"^ \*fill\*\s+0x([0-9a-f]+)\s+0x([0-9a-f]+)", re.M)
_OVERFLOW = re.compile(r"region `(\w+)' overflowed by (\d+) bytes")

_CODE = (".vectors", ".interrupts", ".text", ".init_array", ".data")
_RAM = (".data", ".bss")
# The user of an object's bytes, by the first part of its name; all other objects belong to the runtime.
_USERS = {"kernels": "kernels", "npu": "npu", "blobs": "model and vectors"}
_REMEDIES = {
    "model": "place it in a larger region (placement.model of the board), or make it smaller",
    "vectors": "use fewer of them (vectors.samples)",
    "planned": "another region for placement.arena",
    "planned fast": "another region in runtime.planned_memory, or fewer tensors with this memory id",
    "scratch": "a memory mode with another scratch region, targets.vela.optimise: Size, or a smaller arena_cache_size",
    "fast scratch": "a smaller Dedicated_Sram memory mode, or targets.vela.arena_cache_size",
    "stack": "a smaller runtime.stack_size",
}


@dataclass(frozen=True)
class Part:
    """Bytes that must fit into a region of the board. name: a key of _REMEDIES."""

    name: str
    region: str
    bytes: int


@dataclass(frozen=True)
class Section:
    """An output section of the linker.

    load:  the address that its initial bytes are stored at; None when it has none.
    users: bytes by user: runtime, kernels, npu...
    """

    name: str
    address: int
    bytes: int
    load: int | None
    users: Mapping[str, int]


def known_parts(
    placement: Placement,
    stack_bytes: int,
    vector_bytes: int,
    manifest: Mapping[str, Any],
    buffers: Sequence[PlacedBuffer] = (),
) -> list[Part]:
    """The parts of a firmware whose sizes are known before the link. manifest: of the .pte. buffers: as of Layout."""
    memory = manifest["memory"]
    placed = {one.memory_id for one in buffers}
    # Methods are loaded one after the other, each in all of the arena.
    planned = [one["planned_bytes"] for one in manifest.get("methods", ())] or [memory["planned_bytes"]]
    return [
        Part("model", placement.model, manifest["pte"]["bytes"]),
        Part("vectors", placement.vectors, vector_bytes),
        Part("planned", placement.arena, max(_outside(sizes, placed) for sizes in planned)),
        Part("scratch", placement.scratch, memory["scratch_bytes"]),
        Part("fast scratch", placement.fast_scratch, memory["fast_scratch_bytes"]),
        Part("stack", placement.stack, stack_bytes),
        *(Part("planned fast", one.region, one.bytes) for one in buffers),
    ]


def _outside(planned_bytes: Sequence[int], placed: Container[int]) -> int:
    """The bytes of the buffers that have no region of their own."""
    return sum(count for memory_id, count in enumerate(planned_bytes, 1) if memory_id not in placed)


def misfit(board: Board, parts: Sequence[Part]) -> str:
    """A table of each region that these parts overflow, with remedies; "" when all fit."""
    tables = []
    for region, here in overfull(board, parts):
        total = sum(part.bytes for part in here)
        rows = [(part.name, part.bytes) for part in here]
        tables.append(_table(region, [*rows, ("total", total)], total - region.size, [part.name for part in here]))
    return "\n".join(tables)


def overfull(board: Board, parts: Sequence[Part]) -> Iterator[tuple[Region, list[Part]]]:
    """Each region that these parts overflow, with those that are in it."""
    for region in board.memory:
        here = [part for part in parts if part.region == region.name and part.bytes]
        if sum(part.bytes for part in here) > region.size:
            yield region, here


def overflow(board: Board, parts: Sequence[Part], linker_message: str) -> str:
    """The same tables for regions that overflowed in the link; "" when the linker's message has another cause."""
    tables = []
    for name, missing in _OVERFLOW.findall(linker_message):
        region = board.region(name)
        here = [part for part in parts if part.region == name and part.bytes]
        known = sum(part.bytes for part in here)
        rows = [(part.name, part.bytes) for part in here]
        rows.append(("code and data", region.size + int(missing) - known))
        tables.append(_table(region, rows, int(missing), [part.name for part in here]))
    return "\n".join(tables)


def _table(region: Region, rows: Iterable[tuple[str, int]], missing: int, parts: Sequence[str]) -> str:
    lines = [f"{region.name} of the board has {region.size:,} bytes, {missing:,} too few:"]
    lines += [f"    {name:<14}{count:>14,}" for name, count in rows]
    lines += [f"    for {name}: {_REMEDIES[name]}" for name in parts]
    return "\n".join(lines)


def read_map(text: str) -> tuple[Section, ...]:
    """The output sections with bytes or addresses of the target. text: a map file of GNU ld."""
    body = text[text.index("Linker script and memory map") :]
    # After a long name the numbers are on the next line.
    body = re.sub(r"^( ?\.[\w.$-]+)\n\s+(0x)", r"\1 \2", body, flags=re.M)
    matches = [match for match in _OUTPUT.finditer(body) if int(match[3], 16)]
    sections = []
    for number, match in enumerate(matches):
        end = matches[number + 1].start() if number + 1 < len(matches) else len(body)
        name, address, size = match[1], int(match[2], 16), int(match[3], 16)
        if name.startswith((".debug", ".ARM", ".comment")):
            continue
        stored = name not in (".bss", ".stack", ".fast_scratch", ".texts") and not name.startswith(".planned_")
        load = int(match[4], 16) if match[4] else address
        sections.append(Section(name, address, size, load if stored else None, _users(name, body[match.end() : end])))
    return tuple(sections)


def _users(section: str, contributions: str) -> dict[str, int]:
    """Bytes by user of one output section. contributions: its lines in the map."""
    users: dict[str, int] = {}
    for match in _INPUT.finditer(contributions):
        if int(match[1], 16) and int(match[2], 16):
            user = _user(match[3])
            users[user] = users.get(user, 0) + int(match[2], 16)
    padding = sum(int(match[2], 16) for match in _FILL.finditer(contributions))
    filled = "stack" if section == ".stack" else "padding"
    return {**users, **({filled: padding} if padding else {})}


def _user(origin: str) -> str:
    if ".a(" in origin:
        return "libc"
    parts = PurePath(origin).with_suffix("").parts
    return _USERS.get(parts[1] if len(parts) > 1 else "", "runtime")


def sizes(board: Board, sections: Sequence[Section], stack_usage: str) -> dict[str, Any]:
    """The content of sizes.json. stack_usage: the content of all GCC's .su files."""
    users: dict[str, dict[str, int]] = {}
    for section in sections:
        for user, count in section.users.items():
            kind = "code" if section.name in _CODE else "ram" if section.name in _RAM else "data"
            row = users.setdefault(user, {"code": 0, "ram": 0, "data": 0})
            row[kind] += count
            if section.name == ".data":
                row["ram"] += count
    by_name = {section.name: section.bytes for section in sections}
    return {
        "format": FORMAT,
        "kind": "exact",
        "board": board.name,
        "code_bytes": sum(by_name.get(name, 0) for name in _CODE),
        "static_ram_bytes": sum(by_name.get(name, 0) for name in _RAM),
        "stack_bytes": by_name.get(".stack", 0),
        "model_bytes": by_name.get(".model", 0),
        "vectors_bytes": by_name.get(".test_vectors", 0),
        "regions": [_region_row(region, sections) for region in board.memory],
        "sections": [
            {"section": one.name, "address": one.address, "bytes": one.bytes, "users": dict(sorted(one.users.items()))}
            for one in sections
        ],
        "users": dict(sorted(users.items())),
        "largest_frames": largest_frames(stack_usage),
    }


def _region_row(region: Region, sections: Sequence[Section]) -> dict[str, Any]:
    """The use of a region: sections by address, and initial values by load address."""
    here: dict[str, int] = {}
    for section in sections:
        if region.address <= section.address < region.end:
            here[section.name] = section.bytes
        elif section.load is not None and region.address <= section.load < region.end:
            here[f"{section.name} (initial)"] = section.bytes
    used = sum(here.values())
    return {"region": region.name, "bytes": region.size, "used": used, "left": region.size - used, "sections": here}


def largest_frames(stack_usage: str, count: int = 10) -> list[dict[str, Any]]:
    """The functions with the largest stack frames, in bytes; functions with unbounded frames come first."""
    rows = []
    for line in stack_usage.splitlines():
        front, _, kind = line.rpartition("\t")
        function, _, size = front.rpartition("\t")
        if function and size.isdigit():
            rows.append({"function": function.split(":", 3)[-1], "bytes": int(size), "bounded": kind != "dynamic"})
    rows.sort(key=lambda row: (row["bounded"], -int(str(row["bytes"])), row["function"]))
    return rows[:count]


def linked_text(sections: Sequence[Section]) -> str:
    """The sizes of an image in one line, for a log."""
    by_name = {section.name: section.bytes for section in sections}
    code = sum(by_name.get(name, 0) for name in _CODE)
    ram = sum(by_name.get(name, 0) for name in _RAM)
    return f"code {code:,} bytes, static RAM {ram:,} bytes, stack {by_name.get('.stack', 0):,} bytes"
