"""Loads boards from YAML and checks what their schema cannot express. It knows no recipe."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from etbuild.config.diagnostics import Diagnostics, Location, did_you_mean, one_of, quoted
from etbuild.config.paths import ProjectPaths
from etbuild.config.setting import read
from etbuild.errors import Problem, RecipeError
from etbuild.hardware.board import BOARDS, NAME, Board
from etbuild.hardware.board_problems import problems

if TYPE_CHECKING:
    from etbuild.config.yaml_tree import MapNode


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
    return _read(_content(file, label), label, file)


def board_of(name: str, lines: Sequence[str]) -> Board:
    """The board that a step's command line names: by its `Board.lines`, as the plan writes them, or by its file.

    raises: RecipeError with every problem of it.
    """
    label = Path(name)
    return _read("\n".join(lines).encode(), label, None) if lines else load_board(board_file(name) or label, label)


def _read(content: bytes, label: Path, file: Path | None) -> Board:
    """file: where the content is from; None when it is complete and nothing is looked for next to it."""
    from etbuild.config import validate, yaml_tree
    from etbuild.config.schemas import schema_file

    diagnostics = Diagnostics()
    if not re.fullmatch(NAME, label.stem):
        wanted = "a file name of letters, digits, dots, hyphens and underscores, at most 64"
        diagnostics.add(Location(label, 0, 0), (), f"the name {quoted(label.stem)}", wanted, "rename the file")
    root = yaml_tree.read(content, label, diagnostics)
    if isinstance(root, yaml_tree.MapNode):
        files = [label]
        root = _merged(root, file, files, diagnostics) if file else root
        diagnostics.check(files)
        bad = validate.check(root, schema_file("board"), diagnostics)
        diagnostics.check(files)
        assert not bad, "an invalid value has a diagnostic"
        board = _board(root, files, file, diagnostics)
        diagnostics.check(files)
        return board
    if root is not None:
        diagnostics.add(root.location, (), yaml_tree.described(root), "a mapping")
    diagnostics.check([label])
    raise AssertionError("a file without a mapping has a diagnostic")


def _merged(root: MapNode, file: Path, files: list[Path], diagnostics: Diagnostics) -> MapNode:
    """The mapping over that of the board that it extends. files: all that were read, as messages name them."""
    from etbuild.config import yaml_tree
    from etbuild.config.overlay import overlaid, without

    entry = root.entries.get("extends")
    if entry is None:
        return root
    name = yaml_tree.plain(entry.node)
    own = without(root, "extends")
    shipped = board_file(name) if isinstance(name, str) else None
    if not isinstance(name, str) or not (shipped or name.endswith(".yaml")):
        wanted = f"{one_of(board_names())}, or the path of a board's file"
        remedy = did_you_mean(name, board_names()) if isinstance(name, str) else ""
        diagnostics.add(entry.message_location, ("extends",), yaml_tree.described(entry.node), wanted, remedy)
        return own
    base, label = shipped or file.parent / name, shipped or Path(os.path.normpath(files[-1].parent / name))
    if label in files:
        wanted = "a board that does not extend this one"
        diagnostics.add(entry.message_location, ("extends",), quoted(name), wanted)
        return own
    files.append(label)
    lower = yaml_tree.read(_content(base, label), label, diagnostics)
    if not isinstance(lower, yaml_tree.MapNode):
        return own
    return overlaid(own, _merged(lower, base, files, diagnostics))


def _content(file: Path, label: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        wanted = f"a board: {one_of(board_names())}, or a file"
        got, remedy = error.strerror or str(error), did_you_mean(file.stem, board_names())
        raise RecipeError([Problem(str(label), "", got, wanted, remedy)]) from None


def _board(root: MapNode, files: Sequence[Path], file: Path | None, diagnostics: Diagnostics) -> Board:
    from etbuild.config.section import Reading, Section
    from etbuild.config.yaml_tree import plain

    label, *bases = files
    # No setting of a board is a path of the project.
    reading = Reading(diagnostics, ProjectPaths(label.parent, lambda _name: None), frozenset())
    section = Section(root, (), reading)
    lines = tuple(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in plain(root).items())
    board = read(section, Board, name=label.stem, file=label, bases=tuple(bases), lines=lines)
    for (*parents, key), got, wanted, remedy in problems(board, file.parent if file else None):
        holder = section
        for parent in parents:
            holder = holder.section(str(parent))
        holder.report(str(key), got, wanted, remedy)
    return board
