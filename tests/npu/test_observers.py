"""What can be seen of a run: the trace of every operation, and who wrote each byte."""

from __future__ import annotations

import numpy as np

from tests.npu import native
from tests.npu.directed_convolution import SHAPES, convolution
from tests.npu.native import Hazard, Range
from tests.npu.program import Program, StreamTest

BYTES = np.arange(24, dtype=np.int8)


def copy(p: Program, source: int, target: int, shape: tuple[int, int, int], brick: int = 0, ifm_brick: int = 0) -> None:
    """One POOL of one tap."""
    p.output(shape)
    p.set("IFM_DEPTH_M1", shape[2])
    p.map("IFM", source, shape, "int8", brick=ifm_brick)
    p.map("OFM", target, shape, "int8", brick=brick, global_scale=1)
    p.set("OFM_SCALE", scale=1, shift=0)
    p.clamp(-128, 127)
    p.kernel()
    p.set("POOL", mode="AVERAGE")


def hazards_of(test: StreamTest, inputs: list[Range], outputs: list[Range]) -> list[Hazard]:
    outcome, hazards = native.emulator().hazards(test.payload(), test.regions(), inputs, outputs)
    assert outcome.code == 0, outcome
    return hazards


def test_a_trace_tells_work_weights_bytes_and_range() -> None:
    """Of a 3x3 convolution with 16 channels on both sides and a third of the weights zero."""
    shape = SHAPES[2]
    test = convolution(2, shape)
    weight_bytes = next(int(line.split()[1]) for line in test.program.splitlines() if line.startswith("WEIGHT_LENGTH"))

    outcome, traces = native.emulator().trace(test.payload(), test.regions())

    (trace,) = traces
    wanted = test.after[0].data
    assert outcome.code == 0
    assert (trace.index, trace.name) == (0, "CONV")
    assert trace.macs == 4 * 4 * 16 * 9 * 16
    assert (trace.elements, trace.range) == (256, (wanted.min(), wanted.max()))
    assert trace.bytes_read == (weight_bytes + 160, 256, 0, 0, 0, 0, 0, 0)
    assert trace.bytes_written == (0, 256, 0, 0, 0, 0, 0, 0)
    assert trace.weights == 16 * 16 * 9
    assert 0.25 < trace.zero_weights / trace.weights < 0.35


def test_a_trace_names_modes_and_skips_what_has_no_effect() -> None:
    """Waits are not operations to look at; indices still count them."""
    p = Program("ethos-u55-128")
    source, target = p.place(BYTES), p.reserve(24)
    p.set("KERNEL_WAIT", 0)
    copy(p, source, target, (2, 3, 4))
    test = p.finish("")

    _, traces = native.emulator().trace(test.payload(), test.regions())

    assert [(trace.index, trace.name) for trace in traces] == [(1, "POOL AVERAGE")]


def test_reading_what_nothing_has_written_is_a_hazard() -> None:
    """The second half of the input was never filled."""
    p = Program("ethos-u55-128")
    source, target = p.place(BYTES), p.reserve(24)
    copy(p, source, target, (2, 3, 4))
    test = p.finish("")

    found = hazards_of(test, [Range(1, source, 12)], [Range(1, target, 24)])

    assert found == [Hazard("never_written", "ifm", 1, 0, 0, 0, source + 12)]


def transfer(p: Program, source: int, target: int, size: int) -> None:
    """One DMA inside region 1."""
    for name, address in (("SRC", source), ("DST", target)):
        p.set(f"DMA0_{name}_REGION", region=1)
        p.set(f"DMA0_{name}", address)
    p.set("DMA0_LEN", size)
    p.set("DMA_START")


def test_a_copy_rounded_up_to_16_bytes_is_no_hazard_until_its_end_is_read() -> None:
    """Vela rounds the length of a DMA up; the bytes behind the tensor are as unwritten after it as before."""
    p = Program("ethos-u55-128")
    source, middle, last = p.place(BYTES), p.reserve(32), p.reserve(24)
    transfer(p, source, middle, 32)
    copy(p, middle, last, (1, 1, 20))
    quiet = p.finish("")
    p.lines.pop()
    copy(p, middle, last, (2, 3, 4))
    loud = p.finish("")

    assert hazards_of(quiet, [Range(1, source, 20)], [Range(1, last, 20)]) == []
    found = hazards_of(loud, [Range(1, source, 20)], [Range(1, last, 24)])
    assert found == [Hazard("never_written", "ifm", 1, 2, 0, 0, middle + 20)]


def test_a_copy_of_what_nothing_has_written_is_a_hazard() -> None:
    """Of more than what a length is rounded up by."""
    p = Program("ethos-u55-128")
    source, target = p.place(BYTES), p.reserve(32)
    transfer(p, source, target, 32)
    test = p.finish("")

    found = hazards_of(test, [Range(1, source, 12)], [Range(1, target, 12)])

    assert found == [Hazard("never_written", "source", 1, 0, 0, 0, source + 12)]


def test_reading_a_tensor_that_another_one_has_overwritten_is_a_hazard() -> None:
    """A second result of another shape lands on the first one, which a third operation still reads."""
    p = Program("ethos-u55-128")
    source = p.place(BYTES)
    first = p.reserve(24)
    p.reserve(64)
    last = p.reserve(24)
    copy(p, source, first, (2, 3, 4))
    copy(p, source, first + 12, (1, 1, 24))
    copy(p, first, last, (2, 3, 4))
    test = p.finish("")

    found = hazards_of(test, [Range(1, source, 24)], [Range(1, last, 24)])

    assert found == [Hazard("overwritten", "ifm", 1, 2, 1, 0, first + 12)]


def test_a_border_filled_first_and_written_inside_is_no_hazard() -> None:
    """The inside belongs to the same tensor."""
    p = Program("ethos-u55-128")
    source = p.place(BYTES)
    first, last = p.reserve(24), p.reserve(24)
    copy(p, source, first, (1, 1, 24))
    copy(p, source, first + 8, (1, 2, 4))
    copy(p, first, last, (2, 3, 4))
    test = p.finish("")

    assert hazards_of(test, [Range(1, source, 24)], [Range(1, last, 24)]) == []


def test_columns_and_rows_of_one_border_are_no_hazard() -> None:
    """Vela fills the border of a padded tensor side by side; its corners are written twice, in other shapes."""
    p = Program("ethos-u55-128")
    source = p.place(BYTES)
    first, last = p.reserve(24), p.reserve(24)
    copy(p, source, first, (2, 3, 4))
    for shape in ((2, 1, 4), (1, 3, 4)):
        p.output(shape)
        p.map("OFM", first, shape, "int8", global_scale=1)
        p.set("OFM_STRIDE_Y", 12)
        p.set("POOL", mode="AVERAGE")
    p.output((2, 2, 4))
    p.map("IFM", first, (2, 2, 4), "int8")
    p.set("IFM_STRIDE_Y", 12)
    p.map("OFM", last, (2, 2, 4), "int8", global_scale=1)
    p.set("POOL", mode="AVERAGE")
    test = p.finish("")

    assert hazards_of(test, [Range(1, source, 24)], [Range(1, last, 16)]) == []


def test_a_result_of_which_a_broadcast_reads_one_element_is_a_hazard() -> None:
    """Eight results, but the subtraction repeats the first along the depth and nothing reads the others."""
    p = Program("ethos-u55-128")
    source = p.place(BYTES[:8])
    middle, target = p.reserve(8), p.reserve(8)
    copy(p, source, middle, (1, 1, 8))
    p.map("OFM", target, (1, 1, 8), "int8", global_scale=1)
    p.map("IFM2", middle, (1, 1, 8), "int8")
    p.set("IFM2_BROADCAST", depth=1)
    p.set("ELEMENTWISE", mode="MIN")
    test = p.finish("")

    found = hazards_of(test, [Range(1, source, 8)], [Range(1, target, 8)])

    assert found == [Hazard("unread", "ofm", 1, 0, 0, 0, middle)]


def two_lookups(second_table: int, chained: bool) -> StreamTest:
    """A POOL with table 0, then one that reads its result, from a chain buffer or from memory, with another table."""
    shape = (1, 1, 8)
    p = Program("ethos-u85-256")
    p.set("DMA0_SRC_REGION", region=0)
    p.set("DMA0_DST_REGION", internal=1)
    p.set("DMA0_SRC", p.place(np.arange(512, dtype=np.uint16).astype(np.uint8), region=0))
    p.set("DMA0_DST", 0)
    p.set("DMA0_LEN", 512)
    p.set("DMA_START")
    between = {"storage": "CHAIN"} if chained else {}
    middle, region = (0, 3) if chained else (p.reserve(8), 1)
    p.output(shape)
    p.set("IFM_DEPTH_M1", 8)
    p.set("OFM_SCALE", scale=1, shift=0)
    p.clamp(-128, 127)
    p.kernel()
    p.map("IFM", p.place(BYTES[:8]), shape, "int8")
    p.map("OFM", middle, shape, "int8", region=region, global_scale=1, **between)
    p.set("ACTIVATION", function="S8_S8", table=0)
    p.set("POOL", mode="SUM")
    p.map("IFM", middle, shape, "int8", region=region, **between)
    p.map("OFM", p.reserve(8), shape, "int8", global_scale=1)
    p.set("ACTIVATION", function="S8_S8", table=second_table)
    p.set("POOL", mode="SUM")
    return p.finish("")


def test_two_lookups_of_one_table_in_a_chain_are_reported() -> None:
    """One of two tables that were meant cannot have been loaded: chained operations run at once."""
    inputs = [Range(1, 0, 16)]

    (found,) = hazards_of(two_lookups(0, chained=True), inputs, [])

    assert (found.kind, found.operation, found.victim) == ("shared_table", 2, 1)
    assert hazards_of(two_lookups(1, chained=True), inputs, []) == []
    assert hazards_of(two_lookups(0, chained=False), [Range(1, 0, 32)], []) == []
