"""One YAML tree over another: mappings merge, other values replace, null deletes a key. It reads no file."""

from __future__ import annotations

from etbuild.config.yaml_tree import Entry, MapNode, Scalar


def overlaid(upper: MapNode, lower: MapNode) -> MapNode:
    """`upper` with priority over `lower`: mappings merge, other values replace, null deletes a key of `lower`."""
    entries = dict(lower.entries)
    for key, entry in upper.entries.items():
        below = entries.get(key)
        if below and isinstance(entry.node, Scalar) and entry.node.valid and entry.node.value is None:
            del entries[key]
        elif below and isinstance(entry.node, MapNode) and isinstance(below.node, MapNode):
            entries[key] = Entry(entry.location, overlaid(entry.node, below.node))
        else:
            entries[key] = entry
    return MapNode(entries, upper.location)


def without(root: MapNode, name: str) -> MapNode:
    """The mapping without one of its keys."""
    return MapNode({key: entry for key, entry in root.entries.items() if key != name}, root.location)
