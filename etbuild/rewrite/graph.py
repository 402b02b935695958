"""A TOSA graph as objects that a rule can change: read from a .tosa file, and written as one.

The file's structure is read and written by flatc, which comes with tosa-tools together with TOSA's schema, so that
every operator and attribute is kept. The data of constants do not go through its JSON: they are taken from the file,
and appended to the new one.
"""

from __future__ import annotations

import json
import struct
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from etbuild.errors import StepError

Json = dict[str, Any]

# TOSA's names of types with numpy's. INT4 is stored as two to a byte, INT48 as six bytes: rules do not read them.
TYPES = {"BOOL": "bool", "INT8": "int8", "INT16": "int16", "INT32": "int32", "FP32": "float32"}
_DATA_FIELD = 10  # Of TosaTensor, as an offset into a table's list of fields.
_ALIGNMENT = 16


@dataclass
class Tensor:
    """A tensor of a block.

    shape: sizes of its axes.
    type:  TOSA's name, such as INT8.
    data:  bytes of a constant, in TOSA's layout; empty or None for a tensor that is computed, or an input.
    other: fields of TosaTensor that no rule uses.
    """

    name: str
    shape: tuple[int, ...]
    type: str
    data: bytes | None = None
    other: Json = field(default_factory=dict)


@dataclass
class Operator:
    """An operator: its name in TOSA, such as CONV2D, its attribute as TOSA's schema has it (a field with the default
    value may be missing), and the names of tensors and shapes that it reads and writes."""

    op: str
    attribute_type: str
    attribute: Json
    inputs: list[str]
    outputs: list[str]
    location: str = ""


@dataclass
class Block:
    """A basic block: operators in an order in which they can be executed.

    shapes: constant shapes by name.
    """

    name: str
    operators: list[Operator]
    tensors: dict[str, Tensor]
    shapes: dict[str, tuple[int, ...]]
    inputs: list[str]
    outputs: list[str]

    def producer(self, name: str) -> Operator | None:
        """The operator that writes a tensor; None for an input of the block."""
        return next((one for one in self.operators if name in one.outputs), None)

    def users(self, name: str) -> list[Operator]:
        """The operators that read a tensor."""
        return [one for one in self.operators if name in one.inputs]

    def has_one_user(self, name: str) -> bool:
        """Whether exactly one operator reads a tensor, once, and it is no output of the block."""
        return sum(one.inputs.count(name) for one in self.operators) == 1 and name not in self.outputs

    def constant(self, name: str) -> Any:
        """The values of a constant tensor as an array; None for another tensor, or one of a type that numpy lacks."""
        import numpy as np

        tensor = self.tensors.get(name)
        if tensor is None or not tensor.data or tensor.type not in TYPES:
            return None
        kind = np.dtype(TYPES[tensor.type])
        size = int(np.prod(tensor.shape, dtype=np.int64)) * kind.itemsize
        return np.frombuffer(tensor.data[:size], kind).reshape(tensor.shape)

    def add_constant(self, name: str, values: Any, kind: str) -> str:
        """A new constant tensor before all other operators; returns its name, which begins with `name`."""
        name = self.new_name(name)
        data = values.astype(TYPES[kind]).tobytes()
        self.tensors[name] = Tensor(name, tuple(values.shape), kind, data)
        self.operators.insert(0, Operator("CONST", "ConstAttribute", {}, [], [name]))
        return name

    def add_shape(self, name: str, values: Sequence[int]) -> str:
        """A new constant shape before all other operators; returns its name, which begins with `name`."""
        name = self.new_name(name)
        self.shapes[name] = tuple(int(value) for value in values)
        self.operators.insert(0, Operator("CONST_SHAPE", "ConstShapeAttribute", {}, [], [name]))
        return name

    def new_name(self, name: str) -> str:
        """`name`, with a number behind it where a tensor or shape has that name."""
        taken, number, found = {*self.tensors, *self.shapes}, 0, name
        while found in taken:
            number += 1
            found = f"{name}_{number}"
        return found

    def sort(self) -> None:
        """Put the operators in an order in which they can be executed; those that are in one keep their order."""
        waiting, done, order = list(self.operators), set(self.inputs), list[Operator]()
        while waiting:
            ready = next((one for one in waiting if done.issuperset(one.inputs)), None)
            if ready is None:
                raise ValueError(f"{self.name}: its operators wait for each other")
            waiting.remove(ready)
            order.append(ready)
            done.update(ready.outputs)
        self.operators = order

    def remove_unused(self) -> None:
        """Remove operators whose outputs nothing reads, with their tensors and shapes."""
        used = set(self.outputs)
        kept: list[Operator] = []
        for one in reversed(self.operators):
            if not one.outputs or used.intersection(one.outputs):
                used.update(one.inputs)
                used.update(one.outputs)
                kept.append(one)
        self.operators = kept[::-1]
        used.update(self.inputs)
        self.tensors = {name: one for name, one in self.tensors.items() if name in used}
        self.shapes = {name: one for name, one in self.shapes.items() if name in used}


@dataclass
class Graph:
    """A whole file. frame: the file's JSON without its blocks."""

    regions: list[tuple[str, list[Block]]]
    frame: Json

    @property
    def blocks(self) -> Iterator[Block]:
        return (block for _, blocks in self.regions for block in blocks)


def read_graph(content: bytes, name: str) -> Graph:
    """Read a .tosa file.

    name:   of the file, for messages.
    raises: StepError when it is no TOSA graph, or has data beside the file.
    """
    try:
        return _read(content)
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        raise StepError(f"{name}: got no TOSA graph ({why}), wanted what step lower wrote") from error


def write_graph(graph: Graph, name: str) -> bytes:
    """The content of a .tosa file. name: of the file, for messages."""
    data: list[bytes] = []
    regions = [{"name": name_, "blocks": [_json(block, data) for block in blocks]} for name_, blocks in graph.regions]
    text = json.dumps({**graph.frame, "regions": regions}).encode()
    try:
        content = bytearray(_flatc(["-b"], text, "graph.json", "graph.tosa"))
    except ValueError as error:
        raise StepError(f"{name}: got a graph that cannot be written ({error}), wanted one of TOSA's schema") from error
    for (field_position, _, _), values in zip(list(_data_fields(bytes(content))), data, strict=True):
        content += bytes(-(len(content) + 4) % _ALIGNMENT)
        struct.pack_into("<I", content, field_position, len(content) - field_position)
        content += struct.pack("<I", len(values)) + values
    return bytes(content)


def _block(tree: Json, data: Iterator[bytes]) -> Block:
    tensors = {}
    for one in tree.get("tensors", []):
        values = next(data) if "data" in one else None
        other = {key: value for key, value in one.items() if key not in ("name", "shape", "type", "data")}
        tensors[one["name"]] = Tensor(
            one["name"], tuple(one.get("shape", ())), one.get("type", "UNKNOWN"), values, other
        )
    operators = [
        Operator(
            one["op"],
            one.get("attribute_type", "NONE"),
            one.get("attribute", {}),
            list(one.get("inputs", [])),
            list(one.get("outputs", [])),
            one.get("location", {}).get("text", ""),
        )
        for one in tree.get("operators", [])
    ]
    shapes = {one["name"]: _sizes(one) for one in tree.get("shapes", [])}
    return Block(tree.get("name", ""), operators, tensors, shapes, tree.get("inputs", []), tree.get("outputs", []))


def _sizes(shape: Json) -> tuple[int, ...]:
    count = shape.get("rank", 0)
    return struct.unpack(f"<{count}q", bytes(shape.get("data", ()))[: 8 * count])


def _json(block: Block, data: list[bytes]) -> Json:
    tensors = []
    for one in block.tensors.values():
        tree: Json = {"name": one.name, "shape": list(one.shape), "type": one.type, **one.other}
        if one.data is not None:
            tree["data"] = []
            data.append(one.data)
        tensors.append(tree)
    return {
        "name": block.name,
        "operators": [
            {
                "op": one.op,
                "attribute_type": one.attribute_type,
                "attribute": one.attribute,
                "inputs": one.inputs,
                "outputs": one.outputs,
                "location": {"text": one.location},
            }
            for one in block.operators
        ],
        "tensors": tensors,
        "inputs": block.inputs,
        "outputs": block.outputs,
        "shapes": [
            {"name": name, "rank": len(sizes), "data": list(struct.pack(f"<{len(sizes)}q", *sizes))}
            for name, sizes in block.shapes.items()
        ],
    }


def _read(content: bytes) -> Graph:
    skeleton, data = bytearray(content), list[bytes]()
    for _, position, size in _data_fields(content):
        data.append(bytes(content[position : position + size]))
        skeleton[position - 4 : position] = bytes(4)
    tree = json.loads(_flatc(["--json", "--strict-json", "--raw-binary"], bytes(skeleton), "graph.tosa", "graph.json"))
    rest = iter(data)
    regions = [
        (region.get("name", ""), [_block(block, rest) for block in region.get("blocks", [])])
        for region in tree.pop("regions", [])
    ]
    if not regions:
        raise ValueError("it has no region")
    return Graph(regions, tree)


def _data_fields(content: bytes) -> Iterator[tuple[int, int, int]]:
    """Of each tensor with data, in the order of the file: position of its field, position and size of the data."""
    from tosa.TosaGraph import TosaGraph

    graph = TosaGraph.GetRootAs(content, 0)
    for region in _each(graph.Regions, graph.RegionsLength()):
        for block in _each(region.Blocks, region.BlocksLength()):
            for tensor in _each(block.Tensors, block.TensorsLength()):
                table = tensor._tab
                if at := table.Offset(_DATA_FIELD):
                    yield table.Pos + at, table.Vector(at), table.VectorLen(at)


def _each(get: Any, count: int) -> Iterable[Any]:
    return (get(i) for i in range(count))


@cache
def _tools() -> tuple[Path, Path]:
    """flatc and TOSA's schema, of the installed tosa-tools."""
    from importlib.metadata import distribution

    folder = Path(str(distribution("tosa-tools").locate_file("bin")))
    return folder / "flatc", folder / "tosa.fbs"


def _flatc(options: Sequence[str], content: bytes, source: str, target: str) -> bytes:
    flatc, schema = _tools()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / source).write_bytes(content)
        between = ["--"] if source.endswith(".tosa") else []
        command = [str(flatc), *options, "-o", folder, str(schema), *between, str(Path(folder) / source)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ValueError(f"flatc: {(done.stdout + done.stderr).strip().replace(folder, '')}")
        return (Path(folder) / target).read_bytes()
