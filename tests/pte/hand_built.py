"""Programs that no compiler here writes, built with the flatbuffers package for the tests."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import flatbuffers

from etbuild.pte.schema import KERNEL_TYPES


def every_value() -> bytes:
    """A program with one value of each kind but Tensor, and four named bytes in a segment."""
    build = _Build()
    plan = build.table({2: build.offset(2, build.tables(_values(build)))}, 10)
    key = build.flatbuffer.CreateString("weights")
    segment = build.table({1: lambda: build.flatbuffer.PrependUint64Slot(1, 4, 0)}, 2)
    named = build.table({0: build.offset(0, key)}, 2)
    root = build.table(
        {
            1: build.offset(1, build.tables([plan])),
            4: build.offset(4, build.tables([segment])),
            7: build.offset(7, build.tables([named])),
        },
        8,
    )
    build.flatbuffer.Finish(root, file_identifier=b"ET12")
    return with_segments(bytes(build.flatbuffer.Output()), b"0123")


class _Build:
    """Tables and vectors of one flatbuffer; each method returns where the object is."""

    def __init__(self) -> None:
        self.flatbuffer = flatbuffers.Builder(0)

    def table(self, fields: dict[int, Callable[[], None]], slots: int) -> int:
        self.flatbuffer.StartObject(slots)
        for field in fields.values():
            field()
        return int(self.flatbuffer.EndObject())

    def offset(self, slot: int, target: int) -> Callable[[], None]:
        return lambda: self.flatbuffer.PrependUOffsetTRelativeSlot(slot, target, 0)

    def vector(self, width: int, items: Sequence[Any], prepend: Callable[[Any], None]) -> int:
        self.flatbuffer.StartVector(width, len(items), width)
        for item in reversed(items):
            prepend(item)
        return int(self.flatbuffer.EndVector())

    def tables(self, items: Sequence[int]) -> int:
        return self.vector(4, items, self.flatbuffer.PrependUOffsetTRelative)

    def value(self, kind: str, inner: int) -> int:
        kind_field = partial(self.flatbuffer.PrependUint8Slot, 0, KERNEL_TYPES.index(kind), 0)
        return self.table({0: kind_field, 1: self.offset(1, inner)}, 2)


def _values(build: _Build) -> list[int]:
    """One value of each kind but Tensor."""
    raw = build.flatbuffer
    text = raw.CreateString("text é")

    def field(put: Callable[[], None]) -> int:
        return build.table({0: put}, 1)

    def items(width: int, values: Sequence[Any], prepend: Callable[[Any], None]) -> int:
        return field(build.offset(0, build.vector(width, values, prepend)))

    return [
        build.value("Null", build.table({}, 0)),
        build.value("Int", field(lambda: raw.PrependInt64Slot(0, -5, 0))),
        build.value("Bool", field(lambda: raw.PrependBoolSlot(0, True, False))),
        build.value("Double", field(lambda: raw.PrependFloat64Slot(0, 0.25, 0.0))),
        build.value("String", field(build.offset(0, text))),
        build.value("IntList", items(8, [1], raw.PrependInt64)),
        build.value("DoubleList", items(8, [0.5, -2.0], raw.PrependFloat64)),
        build.value("BoolList", items(1, [True, False], raw.PrependBool)),
        build.value("TensorList", items(4, [], raw.PrependInt32)),
        build.value("OptionalTensorList", items(4, [-1], raw.PrependInt32)),
    ]


def with_segments(flatbuffer: bytes, segments: bytes) -> bytes:
    """The flatbuffer with an extended header of 32 bytes inserted, followed by the segments."""
    root = struct.unpack_from("<I", flatbuffer)[0] + 32
    size = len(flatbuffer) + 32
    header = b"eh00" + struct.pack("<IQQQ", 32, size, size, len(segments))
    return struct.pack("<I", root) + flatbuffer[4:8] + header + flatbuffer[8:] + segments


def nested(width: int) -> bytes:
    """A program whose plans, chains, instructions and arguments are each `width` references to one thing."""
    build = flatbuffers.Builder(0)

    def many(target: int) -> int:
        build.StartVector(4, width, 4)
        for _ in range(width):
            build.PrependUOffsetTRelative(target)
        return int(build.EndVector())

    def holder(slots: int, slot: int, child: int) -> int:
        build.StartObject(slots)
        build.PrependUOffsetTRelativeSlot(slot, child, 0)
        return int(build.EndObject())

    build.StartVector(4, width, 4)
    for _ in range(width):
        build.PrependInt32(0)
    call = holder(2, 1, build.EndVector())
    build.StartObject(2)
    build.PrependUint8Slot(0, 1, 0)
    build.PrependUOffsetTRelativeSlot(1, call, 0)
    instruction = build.EndObject()
    chain = holder(4, 2, many(instruction))
    plan = holder(10, 5, many(chain))
    build.Finish(holder(8, 1, many(plan)), file_identifier=b"ET12")
    return bytes(build.Output())
