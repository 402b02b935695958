"""A recipe and what it extends, read and merged into one tree. It judges no key but `extends`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from etbuild.config import yaml_tree
from etbuild.config.diagnostics import Diagnostics, Location, printable
from etbuild.config.paths import BadPathError, ProjectPaths, kind_of
from etbuild.config.yaml_tree import Entry, MapNode, Node, Scalar, described


@dataclass(frozen=True)
class Chain:
    """root: the merged recipe, None when a file could not be read. files: itself first, then what it extends.
    whole: False when some `extends` led nowhere, so that keys may be missing for that reason alone."""

    root: MapNode | None
    files: tuple[Path, ...]
    whole: bool = True


def read_chain(file: Path, paths: ProjectPaths, diagnostics: Diagnostics) -> Chain:
    """Read `file` (as paths.shown gives it) and everything that it extends."""
    files = [file]
    layers: list[MapNode] = []
    while True:
        layer = _read(files[-1], paths, diagnostics)
        if layer is None:
            return Chain(_merged(layers) if layers else None, tuple(files), whole=False)
        layers.append(layer)
        entry = layer.entries.get("extends")
        if entry is None:
            return Chain(_without_extends(_merged(layers)), tuple(files))
        base = _base(entry.node, files, paths, diagnostics)
        if base is None:
            return Chain(_merged(layers), tuple(files), whole=False)
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
    if not isinstance(node, Scalar) or node.sound:
        diagnostics.add(node.location, (), described(node), "a mapping with model and targets")
    return None


def _base(node: Node, files: Sequence[Path], paths: ProjectPaths, diagnostics: Diagnostics) -> Path | None:
    """The file that `extends` names; it is part of the recipe, so it must lie in the project."""
    if not isinstance(node, Scalar) or not isinstance(node.value, str):
        if not isinstance(node, Scalar) or node.sound:
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
    """The first layer over the second, and so on."""
    merged = layers[-1]
    for layer in reversed(layers[:-1]):
        merged = _over(layer, merged)
    return merged


def _over(upper: MapNode, lower: MapNode) -> MapNode:
    """Maps merge, everything else replaces; null takes away what the lower one says."""
    entries = dict(lower.entries)
    for key, entry in upper.entries.items():
        below = entries.get(key)
        if below and isinstance(entry.node, Scalar) and entry.node.sound and entry.node.value is None:
            del entries[key]
        elif below and isinstance(entry.node, MapNode) and isinstance(below.node, MapNode):
            entries[key] = Entry(entry.location, _over(entry.node, below.node))
        else:
            entries[key] = entry
    return MapNode(entries, upper.location)


def _without_extends(root: MapNode) -> MapNode:
    return MapNode({key: entry for key, entry in root.entries.items() if key != "extends"}, root.location)
