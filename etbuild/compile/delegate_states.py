"""Which outputs of delegates are new values of the model's buffers. It changes nothing."""

from __future__ import annotations

import json
import operator
from pathlib import Path
from typing import Any

Buffers = dict[int, dict[int, str]]
"""By delegate and output: the buffer's dotted name in the model."""


def buffers_of(program: Any) -> dict[bytes, dict[int, str]]:
    """The buffers that delegates write, directly or through operators on the CPU with one input, by the delegate's data
    and its output.

    program: an ExportedProgram with delegates, before ExecuTorch's last passes.
    """
    changed = program.graph_signature.buffers_to_mutate
    found: dict[bytes, dict[int, str]] = {}
    for node in program.graph.output_node().args[0]:
        buffer = changed.get(getattr(node, "name", None))
        while buffer and node.target is not operator.getitem and len(node.all_input_nodes) == 1:
            node = node.all_input_nodes[0]
        if buffer and node.target is operator.getitem and hasattr(node.args[0].args[0], "target"):
            module = getattr(program.graph_module, str(node.args[0].args[0].target), None)
            found.setdefault(getattr(module, "processed_bytes", b""), {})[node.args[1]] = buffer
    return found


def write(buffers: Buffers, folder: Path) -> None:
    """Write buffers.json beside the delegates' graphs; none for a program whose delegates write no buffer."""
    if buffers:
        (folder / "buffers.json").write_text(json.dumps(buffers, indent=1) + "\n")


def read(folder: Path, delegate: int) -> dict[int, str]:
    """The buffers that a delegate writes, by its outputs."""
    file = folder / "buffers.json"
    written = json.loads(file.read_text()) if file.exists() else {}
    return {int(output): buffer for output, buffer in written.get(str(delegate), {}).items()}
