"""What a page computes from the files of steps: symbols of a map, planned memory, axes, source lines."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from report_files import BUFFERS, MAP, OPERATORS, layers_json

from etbuild.report.page.charts import Dot, columns, scatter, ticks
from etbuild.report.page.graph_rows import GroupRow, OperatorRow, graph_rows
from etbuild.report.page.layers import layers_of
from etbuild.report.page.memory import Placed, placed_buffers, plan_of
from etbuild.report.page.numbers import NOTHING, inside
from etbuild.report.page.render import FILTERS
from etbuild.report.page.sizes import Symbol, symbols
from etbuild.report.page.text import count_text, size_text, time_text

FILES = Path(__file__).parents[1] / "pte/files"


def test_a_firmware_is_shown_by_symbol() -> None:
    """Largest first; what is discarded or not loaded is not in it, and no folder of the machine."""
    assert symbols(MAP.splitlines()) == [
        Symbol("etb::app::run()", ".text", 0x120, "app/main.o"),
        Symbol("memcpy", ".text", 0x9C, "libc_nano.a(lib_a-memcpy.o)"),
        Symbol(".bss.state", ".bss", 0x80, "app/main.o"),
        Symbol("etb::(anonymous)::load", ".text", 0x40, "exec/load.o"),
        Symbol("padding", ".text", 4, ""),
    ]


def test_a_symbol_of_a_few_bytes_is_no_name_of_another() -> None:
    """Below 16 bytes the map's column of sizes begins where that of names does."""
    small = " .rodata.digits\n                0x10000160        0xc objects/app/frame.o\n"
    lines = MAP.replace(" *fill*         0x10000160        0x4\n", small).splitlines()

    found = {one.name: one.bytes for one in symbols(lines)}
    assert found == {"etb::app::run()": 0x120, "memcpy": 0x9C, ".bss.state": 0x80, "etb::(anonymous)::load": 0x40} | {
        ".rodata.digits": 0xC
    }


def test_a_planned_tensor_lives_from_its_first_to_its_last_use() -> None:
    """By instruction; the peak is the largest sum of tensors that live at once."""
    plan = plan_of(FILES / "linear_u55.pte")

    assert plan.instructions == (
        "cortex_m::quantize_per_tensor.out",
        "delegate 0 (NPU)",
        "cortex_m::dequantize_per_tensor.out",
    )
    assert [(one.bytes, one.first, one.last, one.text) for one in plan.tensors] == [
        (16, 0, 0, "input float32[1, 4]"),
        (4, 0, 1, "int8[1, 4]"),
        (3, 1, 2, "int8[1, 3]"),
        (12, 2, 2, "output float32[1, 3]"),
    ]
    assert (plan.peak_bytes, plan.peak_at) == (20, 0)


def test_the_layers_of_a_later_delegate_count_on() -> None:
    """A buffer whose time of use Vela does not say is left out."""
    delegates = [{"layers": [{}, {}, {}], "buffers": BUFFERS}, {"layers": [{}], "buffers": BUFFERS[:1]}]

    assert placed_buffers(delegates) == [
        Placed("image", "OpLocal", "sram", 0, 16384, 0, 0),
        Placed("conv", "OpLocal", "sram", 16384, 20480, 0, 2),
        Placed("relu", "OpLocal", "sram", 0, 16384, 1, 2),
        Placed("image", "OpLocal", "sram", 0, 16384, 3, 3),
    ]


def test_labels_of_points_that_are_close_do_not_overlap() -> None:
    """Each is at another height; those of points that are not the best are not shown."""
    dots = [Dot(f"ethos-u85-{number}", 1 + number / 1000, 1024, True) for number in (1, 2, 3)]

    made = scatter([*dots, Dot("far", 9, 9000, False)], "ms", "bytes")

    heights = sorted(point.label_y for point in made.points if point.is_best)
    assert min(b - a for a, b in pairwise(heights)) > 12


@pytest.mark.parametrize(
    ("high", "binary", "values"),
    [
        (0, False, [0, 1]),
        (7, False, [0, 2, 4, 6, 8]),
        (0.18, False, [0, 0.05, 0.1, 0.15, 0.2]),
        (40960, True, [0, 8192, 16384, 24576, 32768, 40960]),
    ],
)
def test_an_axis_has_round_numbers(high: float, binary: bool, values: list[float]) -> None:
    """1, 2 or 5 times a power of ten; powers of two for sizes. The last is not below the largest value."""
    assert ticks(high, 5, binary) == pytest.approx(values)


def test_the_largest_column_is_the_peak() -> None:
    """It is as high as the chart if the axis ends there."""
    chart = columns([1024, 4096], ["a", "b"], "operation", "bytes")

    assert [(bar.text, bar.is_peak) for bar in chart.bars] == [("a", False), ("b", True)]
    assert chart.bars[1].y == chart.frame.top
    assert [tick.text for tick in chart.frame.y_ticks] == ["0 bytes", "1 KiB", "2 KiB", "3 KiB", "4 KiB"]


def test_a_layer_waits_for_what_needs_the_most_cycles() -> None:
    """Compute, or one of the memories; where it is from, as operators.json says."""
    cycles = {"npu": 10, "sram_access": 30, "dram_access": 0, "on_chip_flash_access": 0, "off_chip_flash_access": 0}
    row = {"name": "t", "operator": "Add", "original_operator": "Add", "macs": 0, "mac_utilisation": 0.0}
    delegate = {"delegate": 0, "layers": [{**row, "staging_bytes": 8, "cycles": {**cycles, "total": 30}}]}

    (one,) = layers_of([delegate], [{"t": {"line": "m.py:3", "module": "body"}}])

    assert (one.bound, one.by, one.line, one.module, one.share) == (
        "SRAM",
        {"compute": 10, "SRAM": 30},
        "m.py:3",
        "body",
        1.0,
    )


def test_what_vela_adds_for_an_operation_has_the_line_of_that_operation() -> None:
    """A mean on the U55: a transpose for the sum, the sum itself, and one of the two transposes of a copy. A transpose
    that stands for itself, and one of another operation, have none."""
    named = [
        ("#1", "Transpose"),
        ("copy", "Transpose"),
        ("conv_transpose", "ReduceSum"),
        ("sum_reducesum", "ReduceSum"),
        ("sum", "ReduceSum"),
        ("sum_transpose", "Transpose"),
        ("#2", "Add"),
    ]
    cycles = dict.fromkeys(
        ("npu", "sram_access", "dram_access", "on_chip_flash_access", "off_chip_flash_access", "total"), 1
    )
    row = {"operator": "", "macs": 0, "mac_utilisation": 0.0, "staging_bytes": 8, "cycles": cycles}
    layers = [{**row, "name": name, "original_operator": original} for name, original in named]

    found = layers_of([{"delegate": 0, "layers": layers}], [{"copy": {"line": "m.py:3"}, "sum": {"line": "m.py:4"}}])

    assert [one.line for one in found] == ["m.py:3", "m.py:3", "m.py:4", "m.py:4", "m.py:4", "", ""]


def test_a_number_on_a_page_is_not_parted_from_its_unit() -> None:
    """At the end of a line. In files and in the terminal it is a space as any other."""
    texts = [FILTERS[name](value) for name, value in (("size", 1024), ("number", 12345), ("percent", 0.5), ("time", 1))]

    assert [(" " in text, "\N{NO-BREAK SPACE}" in text) for text in texts] == [(False, True)] * 4


def test_the_worst_layer_is_the_first() -> None:
    """A layer whose value is not known is last, with the reason, and has no number."""
    found = inside(layers_json())

    assert [(row.rank, row.name, row.to_float, row.reason) for row in found.rows] == [
        (1, "body.act", 20.0, ""),
        (2, "body.conv", 40.0, ""),
        (0, "body", None, "executed: fused away"),
    ]
    assert [(row.lsb, row.largest, row.clipped, row.differing) for row in found.rows[:1]] == [(1.0, 0.25, 0.015, 3)]
    assert found.summary == (
        "2 samples; the value of 2 of 3 layers is known. Worst: body.act, 20.0 dB. "
        "The executed program is equal to the TOSA graphs wherever both are known."
    )


def test_an_operator_of_the_graph_has_its_time_and_its_error() -> None:
    """A module has the sum of the times, and the largest error, of what is in it."""
    drawn = graph_rows(OPERATORS, [], inside(layers_json()))

    first, body, last = drawn.items
    assert isinstance(body, GroupRow) and isinstance(first, OperatorRow) and isinstance(last, OperatorRow)
    assert (body.path, body.operators, body.place, body.error_text) == ("body", 3, "NPU", "20.0 dB")
    assert [(row.short, row.error_text) for row in body.items if isinstance(row, OperatorRow)] == [
        ("conv", "40.0 dB"),
        ("relu", "20.0 dB"),
        ("add", ""),
    ]
    assert (first.place, last.short, last.place) == ("CPU", "sort", "CPU")
    assert drawn.summary == (
        "4 operators, 3 on the NPU and 1 on the CPU; 1 more on the CPU converts from and to integers."
    )


def test_without_layers_the_graph_has_velas_times_and_no_errors() -> None:
    """Where lowering says which node a tensor is made from."""
    cycles = {"npu": 75, "sram_access": 0, "dram_access": 0, "on_chip_flash_access": 0, "off_chip_flash_access": 0}
    row = {"operator": "Conv2D", "original_operator": "Conv2D", "macs": 0, "mac_utilisation": 0.0, "staging_bytes": 8}
    layers = [{**row, "name": name, "cycles": {**cycles, "total": 75}} for name in ("t", "u")]
    found = layers_of([{"delegate": 0, "layers": layers}], [{"t": {"node": "conv_0"}, "u": {"node": "relu_0"}}])

    drawn = graph_rows(OPERATORS, found, NOTHING)

    body = drawn.items[1]
    assert isinstance(body, GroupRow)
    assert [(row.share, row.operations) for row in body.items if isinstance(row, OperatorRow)] == [
        (0.5, "Conv2D"),
        (0.5, "Conv2D"),
        (0.0, ""),
    ]
    assert (drawn.has_time, drawn.has_errors) == (True, False)
    assert not drawn.summary.endswith("belong to none of them.")


def test_time_that_belongs_to_no_operator_is_said() -> None:
    """A transpose at a delegate's end is made from none: the shares of the operators are no sum of 100 %."""
    cycles = {"npu": 75, "sram_access": 0, "dram_access": 0, "on_chip_flash_access": 0, "off_chip_flash_access": 0}
    row = {"operator": "Transpose", "original_operator": "Transpose", "macs": 0, "mac_utilisation": 0.0}
    layers = [{**row, "name": name, "cycles": {**cycles, "total": 75}, "staging_bytes": 8} for name in ("t", "#7")]
    found = layers_of([{"delegate": 0, "layers": layers}], [{"t": {"node": "conv_0"}}])

    summary = graph_rows(OPERATORS, found, NOTHING).summary

    assert summary.endswith(" 50.0 % of the time is in NPU operations that belong to none of them.")


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (1023, "1,023 bytes"), (1024, "1 KiB"), (3 << 20, "3 MiB"), (1536 << 10, "1.5 MiB")],
)
def test_a_size_has_the_unit_that_people_read(size: int, text: str) -> None:
    assert size_text(size) == text


@pytest.mark.parametrize(("seconds", "text"), [(1.5, "1,500.000 ms"), (1.8e-5, "0.018 ms"), (4e-9, "0.004 µs")])
def test_a_short_time_is_not_zero(seconds: float, text: str) -> None:
    assert time_text(seconds) == text


@pytest.mark.parametrize(("count", "text"), [(0.25, "0.25"), (9999, "9,999"), (12345, "12.3 k"), (2e9, "2 G")])
def test_a_large_count_is_short(count: float, text: str) -> None:
    assert count_text(count) == text
