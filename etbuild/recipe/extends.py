"""Reads a recipe and the recipes that it extends, and merges them into one tree. It checks no key but `extends`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from etbuild.config import yaml_tree
from etbuild.config.diagnostics import Diagnostics, Location, printable
from etbuild.config.overlay import overlaid, without
from etbuild.config.paths import BadPathError, ProjectPaths
from etbuild.config.yaml_tree import MapNode, Node, Scalar, described
from etbuild.system.files import kind_of


@dataclass(frozen=True)
class Chain:
    """A recipe with everything that it extends.

    root:     the merged recipe; None when the recipe's own file could not be read.
    files:    its own file first, then those that it extends.
    """

    root: MapNode | None
    files: tuple[Path, ...]


def read_chain(file: Path, paths: ProjectPaths, diagnostics: Diagnostics) -> Chain:
    """Read a recipe and everything that it extends. file: as `ProjectPaths.relative` returns it."""
    files = [file]
    layers: list[MapNode] = []
    while True:
        layer = _read(files[-1], paths, diagnostics)
        if layer is None:
            return Chain(_merged(layers) if layers else None, tuple(files))
        layers.append(layer)
        entry = layer.entries.get("extends")
        if entry is None:
            return Chain(without(_merged(layers), "extends"), tuple(files))
        base = _base(entry.node, files, paths, diagnostics)
        if base is None:
            return Chain(_merged(layers), tuple(files))
        files.append(base)


def _read(file: Path, paths: ProjectPaths, diagnostics: Diagnostics) -> MapNode | None:
    kind = kind_of(paths.absolute(file))
    if kind != "file":
        diagnostics.add(Location(file, 0, 0), (), "no file" if kind == "missing" else f"a {kind}", "a recipe")
        return None
    with paths.absolute(file).open("rb") as stream:
        data = stream.read(yaml_tree.MAX_BYTES + 1)
    node = yaml_tree.read(data, file, diagnostics)
    if node is None or isinstance(node, MapNode):
        return node
    if not isinstance(node, Scalar) or node.valid:
        diagnostics.add(node.location, (), described(node), "a mapping with model and targets")
    return None


def _base(node: Node, files: Sequence[Path], paths: ProjectPaths, diagnostics: Diagnostics) -> Path | None:
    """The file that `extends` names; it must be in the project, because it is part of the recipe."""
    if not isinstance(node, Scalar) or not isinstance(node.value, str):
        if not isinstance(node, Scalar) or node.valid:
            diagnostics.add(node.location, ("extends",), described(node), "the path of a recipe")
        return None
    try:
        base = paths.find(node.value, node.location.file, (".yaml",))
        if base.is_absolute():
            remedy = "only inputs (model, data, weights) may lie outside it"
            raise BadPathError(f"{described(node)}, which is outside the project", "a recipe of the project", remedy)
        if base in files:
            circle = " -> ".join(str(file) for file in [*files[files.index(base) :], base])
            raise BadPathError(described(node), "a recipe that does not extend this one", printable(circle, 500))
    except BadPathError as bad:
        diagnostics.add(node.location, ("extends",), bad.got, bad.wanted, bad.remedy)
        return None
    return base


def _merged(layers: Sequence[MapNode]) -> MapNode:
    """The layers as one mapping; the first layer has the highest priority."""
    merged = layers[-1]
    for layer in reversed(layers[:-1]):
        merged = overlaid(layer, merged)
    return merged
