"""Loads boards from YAML and checks what their schema cannot express. It knows no recipe."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from etbuild.config.diagnostics import Diagnostics, KeyPath, Location, did_you_mean, one_of, quoted
from etbuild.config.paths import ProjectPaths
from etbuild.config.setting import read
from etbuild.errors import Problem, RecipeError
from etbuild.hardware.board import BOARDS, NAME, Board

if TYPE_CHECKING:
    from etbuild.config.yaml_tree import MapNode

# The parts of a placement that the NPU accesses.
_NPU_PARTS = ("model", "scratch", "fast_scratch")


def board_names() -> tuple[str, ...]:
    """The boards that come with etbuild."""
    return tuple(sorted(file.stem for file in BOARDS.glob("*.yaml")))


def board_file(name: str) -> Path | None:
    """The file of a board that comes with etbuild; None when there is none of that name."""
    return BOARDS / f"{name}.yaml" if name in board_names() else None


def load_board(file: Path, label: Path | None = None) -> Board:
    """The board in a file.

    label:  the file's name in messages, and Board.file; the file itself by default.
    raises: RecipeError with every problem of it.
    """
    label = label or file
    return _read(_content(file, label), label)


def board_of(name: str, lines: Sequence[str]) -> Board:
    """The board that a step's command line names: by its `Board.lines`, as the plan writes them, or by its file.

    raises: RecipeError with every problem of it.
    """
    label = Path(name)
    return _read("\n".join(lines).encode(), label) if lines else load_board(board_file(name) or label, label)


def _read(content: bytes, label: Path) -> Board:
    from etbuild.config import validate, yaml_tree
    from etbuild.config.schemas import schema_file

    diagnostics = Diagnostics()
    if not re.fullmatch(NAME, label.stem):
        wanted = "a file name of letters, digits, dots, hyphens and underscores, at most 64"
        diagnostics.add(Location(label, 0, 0), (), f"the name {quoted(label.stem)}", wanted, "rename the file")
    root = yaml_tree.read(content, label, diagnostics)
    if isinstance(root, yaml_tree.MapNode):
        bad = validate.check(root, schema_file("board"), diagnostics)
        diagnostics.check([label])
        assert not bad, "an invalid value has a diagnostic"
        board = _board(root, label, diagnostics)
        diagnostics.check([label])
        return board
    if root is not None:
        diagnostics.add(root.location, (), yaml_tree.described(root), "a mapping")
    diagnostics.check([label])
    raise AssertionError("a file without a mapping has a diagnostic")


def _content(file: Path, label: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        wanted = f"a board: {one_of(board_names())}, or a file"
        got, remedy = error.strerror or str(error), did_you_mean(file.stem, board_names())
        raise RecipeError([Problem(str(label), "", got, wanted, remedy)]) from None


def _board(root: MapNode, label: Path, diagnostics: Diagnostics) -> Board:
    from etbuild.config.section import Reading, Section
    from etbuild.config.yaml_tree import plain

    # No setting of a board is a path.
    reading = Reading(diagnostics, ProjectPaths(label.parent, lambda _name: None), frozenset())
    section = Section(root, (), reading)
    lines = tuple(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in plain(root).items())
    board = read(section, Board, name=label.stem, file=label, lines=lines)
    for find in (_memory_problems, _placement_problems, _port_problems):
        for (*parents, key), got, wanted, remedy in find(board):
            holder = section
            for parent in parents:
                holder = holder.section(str(parent))
            holder.report(str(key), got, wanted, remedy)
    return board


def _memory_problems(board: Board) -> Iterator[tuple[KeyPath, str, str, str]]:
    """path, got, wanted, remedy of each problem."""
    for region in board.memory:
        if region.end > 2**32:
            yield ("memory", region.name, "size"), f"an end at {region.end:#x}", "at most 0x100000000", ""
        for other in board.memory:
            if region.address < other.address < region.end:
                got = f"{other.address:#010x}, inside {region.name}"
                yield ("memory", other.name, "address"), got, "regions that do not overlap", ""


def _placement_problems(board: Board) -> Iterator[tuple[KeyPath, str, str, str]]:
    names = [region.name for region in board.memory]
    default = {part: region for part, region in vars(board.placement).items() if part != "memory_modes"}
    placements: dict[KeyPath, dict[str, str]] = {("placement",): default}
    for mode, change in board.placement.memory_modes.items():
        placements["placement", "memory_modes", mode] = {
            part: region for part, region in change.regions.items() if region != default[part]
        }
    for path, regions in placements.items():
        for part, name in regions.items():
            if name not in names:
                yield (*path, part), quoted(name), one_of(names), did_you_mean(name, names)
            elif part in _NPU_PARTS and not board.region(name).npu:
                yield (*path, part), quoted(name), "a region that the NPU can reach", f"{name} has npu: false"
    code = default["code"]
    if code in names and board.region(code).address % board.vector_alignment:
        wanted = f"a multiple of {board.vector_alignment:#x}"
        remedy = (
            f"the vector table is at its start, with {17 + board.npu.interrupt} entries, and VTOR ignores lower bits"
        )
        yield ("memory", code, "address"), f"{board.region(code).address:#010x}", wanted, remedy


def _port_problems(board: Board) -> Iterator[tuple[KeyPath, str, str, str]]:
    """Of the NPU and of what prints results."""
    if board.npu.driver == "ethosu" and not board.npu.address:
        yield ("npu", "driver"), "ethosu without an address", "npu.address and npu.interrupt with it", ""
    limits, words = board.npu.axi.limits, 2 if "u85" in board.npu.families else 4
    if limits and (("u85" in board.npu.families and len(board.npu.families) > 1) or len(limits) != words):
        got = f"{len(limits)} for {one_of(board.npu.families)}"
        yield ("npu", "axi", "limits"), got, "4 for u55 and u65, or 2 for u85 alone", ""
    if board.npu.driver == "emulator" and board.npu.address:
        yield ("npu", "address"), f"{board.npu.address:#x}", "nothing: the NPU is software", ""
    if board.uart is None and not board.semihosting:
        yield ("semihosting",), "no uart and no semihosting", "one of them, to print results", ""
