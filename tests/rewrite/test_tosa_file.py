"""A .tosa file read as objects and written again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from etbuild.errors import StepError
from etbuild.rewrite.graph import Graph, Operator, Tensor, read_graph, write_graph
from etbuild.verify.tosa_reference import TosaGraph
from tests.rewrite.graphs import Network, saved


def network() -> Network:
    made = Network((1, 2, 8, 8))
    made.block.outputs = [made.quantised(made.convolution(made.transpose("x", (0, 2, 3, 1)), 4, (3, 3), -7))]
    return made


def test_a_file_is_written_as_it_was_read() -> None:
    """Every operator, attribute, tensor and shape, and the bytes of every constant."""
    made = network()
    made.pad("x", (0, 0, 0, 0, 1, 2, 3, 4), -7)
    content = made.file(*made.block.outputs, "pad")

    graph = read_graph(content, "test")

    assert read_graph(write_graph(graph, "test"), "test") == graph
    assert [block.tensors for block in graph.blocks] == [made.block.tensors]
    assert [block.shapes for block in graph.blocks] == [made.block.shapes]
    assert [block.operators for block in graph.blocks] == [made.block.operators]


def test_what_executorch_wrote_computes_the_same_after_reading_and_writing(tmp_path: Path) -> None:
    """Of the operators' own constants none is lost, moved or misaligned."""
    made = network()
    path = saved(made.file(*made.block.outputs), tmp_path)
    again = tmp_path / "again.tosa"
    again.write_bytes(write_graph(read_graph(path.read_bytes(), "test"), "test"))
    value = np.random.default_rng(1).integers(-128, 128, (1, 2, 8, 8)).astype(np.int8)

    (before,), (after,) = TosaGraph(path).run([value]), TosaGraph(again).run([value])

    assert (before == after).all()


@pytest.mark.parametrize("content", [b"", b"no flatbuffer", bytes(100), b"\xff" * 200])
def test_what_is_no_graph_is_refused_by_name(content: bytes) -> None:
    """With the file's name, and never a traceback."""
    with pytest.raises(StepError, match=r"(?s)^0\.tosa: got no TOSA graph \(.*\), wanted what step lower wrote$"):
        read_graph(content, "0.tosa")


def test_a_damaged_graph_is_refused_or_read_and_never_a_traceback() -> None:
    """Each tenth byte inverted."""
    made = network()
    content = made.file(*made.block.outputs)
    for at in range(0, len(content), 10):
        damaged = bytearray(content)
        damaged[at] ^= 0xFF
        try:
            read_graph(bytes(damaged), "0.tosa")
        except StepError as error:
            assert str(error).startswith("0.tosa: ")


def test_operators_are_sorted_and_unused_ones_removed() -> None:
    """An operator that was added behind its user goes before it."""
    made = network()
    block = made.block
    block.tensors["y"] = Tensor("y", (1, 2, 8, 8), "INT8")
    block.operators.append(Operator("IDENTITY", "IdentityAttribute", {}, ["x"], ["y"]))
    next(one for one in block.operators if one.op == "TRANSPOSE").inputs = ["y"]
    made.reshape("x", (1, 128))

    block.sort()
    block.remove_unused()

    order = [one.op for one in block.operators if not one.op.startswith("CONST")]
    assert order == ["IDENTITY", "TRANSPOSE", "CONV2D", "RESCALE"]
    assert block.shapes == {}
    assert isinstance(read_graph(write_graph(Graph([("main", [block])], {"version": {}}), "test"), "test"), Graph)
