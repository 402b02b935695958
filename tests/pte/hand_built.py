"""Programs that no compiler here writes, built with the flatbuffers package for the tests."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any

import flatbuffers

from etbuild.pte.schema import KERNEL_TYPES


def every_value() -> bytes:
    """A program with one value of each kind but Tensor, and four named bytes in a segment."""
    build = flatbuffers.Builder(0)

    def table(fields: dict[int, Callable[[], None]], slots: int) -> int:
        build.StartObject(slots)
        for field in fields.values():
            field()
        return int(build.EndObject())

    def offset(slot: int, target: int) -> Callable[[], None]:
        return lambda: build.PrependUOffsetTRelativeSlot(slot, target, 0)

    def vector(width: int, items: Sequence[Any], prepend: Callable[[Any], None]) -> int:
        build.StartVector(width, len(items), width)
        for item in reversed(items):
            prepend(item)
        return int(build.EndVector())

    def value(kind: str, inner: int) -> int:
        number = KERNEL_TYPES.index(kind)
        return table({0: lambda: build.PrependUint8Slot(0, number, 0), 1: offset(1, inner)}, 2)

    text = build.CreateString("text é")
    values = [
        value("Null", table({}, 0)),
        value("Int", table({0: lambda: build.PrependInt64Slot(0, -5, 0)}, 1)),
        value("Bool", table({0: lambda: build.PrependBoolSlot(0, True, False)}, 1)),
        value("Double", table({0: lambda: build.PrependFloat64Slot(0, 0.25, 0.0)}, 1)),
        value("String", table({0: offset(0, text)}, 1)),
        value("IntList", table({0: offset(0, vector(8, [1], build.PrependInt64))}, 1)),
        value("DoubleList", table({0: offset(0, vector(8, [0.5, -2.0], build.PrependFloat64))}, 1)),
        value("BoolList", table({0: offset(0, vector(1, [True, False], build.PrependBool))}, 1)),
        value("TensorList", table({0: offset(0, vector(4, [], build.PrependInt32))}, 1)),
        value("OptionalTensorList", table({0: offset(0, vector(4, [-1], build.PrependInt32))}, 1)),
    ]
    plan = table({2: offset(2, vector(4, values, build.PrependUOffsetTRelative))}, 10)
    key = build.CreateString("weights")
    segment = table({1: lambda: build.PrependUint64Slot(1, 4, 0)}, 2)
    named = table({0: offset(0, key)}, 2)
    root = table(
        {
            1: offset(1, vector(4, [plan], build.PrependUOffsetTRelative)),
            4: offset(4, vector(4, [segment], build.PrependUOffsetTRelative)),
            7: offset(7, vector(4, [named], build.PrependUOffsetTRelative)),
        },
        8,
    )
    build.Finish(root, file_identifier=b"ET12")
    return with_segments(bytes(build.Output()), b"0123")


def with_segments(flatbuffer: bytes, segments: bytes) -> bytes:
    """The flatbuffer with an extended header of 32 bytes put in, and the segments behind it."""
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
