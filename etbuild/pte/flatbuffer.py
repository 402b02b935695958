"""Reads an untrusted flatbuffer: every offset is checked before it is followed.

It copies no byte vector. The number of items read is bounded by the size of the file, also when the offsets of a
hostile file overlap.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

from etbuild.errors import EtbuildError

Schema = Mapping[str, tuple[str, ...]]

_MOST_ITEMS = 4_000_000

_U16 = struct.Struct("<H")
_U32 = struct.Struct("<I")
_I32 = struct.Struct("<i")


class BadPte(EtbuildError):  # noqa: N818 - what it is, as the user reads it
    """A file has another format than its name or its first bytes say.

    offset: byte of the file where reading stopped; path: the field, e.g. "Tensor.sizes".
    """

    def __init__(self, file_name: str, offset: int, path: str, got: str, wanted: str) -> None:
        self.file_name, self.offset, self.path, self.got, self.wanted = file_name, offset, path, got, wanted
        super().__init__(f"{file_name}: byte {offset}: {path}: got {got}, wanted {wanted}")

    def __reduce__(self) -> tuple[type[BadPte], tuple[str, int, str, str, str]]:
        return BadPte, (self.file_name, self.offset, self.path, self.got, self.wanted)


class Bytes:
    """The bytes of one file, with checked little-endian access.

    file_name: the file's name, for messages. base: where these bytes begin in the file.
    """

    def __init__(self, data: memoryview, file_name: str, base: int = 0) -> None:
        self.data = data
        self.size = len(data)
        self.file_name = file_name
        self.base = base

    def bad(self, offset: int, path: str, got: str, wanted: str) -> BadPte:
        """The error at an offset of these bytes, to be raised by the caller."""
        return BadPte(self.file_name, self.base + offset, path, got, wanted)

    def check(self, offset: int, size: int, path: str) -> None:
        """raises: BadPte when [offset, offset + size) is not inside."""
        if offset < 0 or size < 0 or offset + size > self.size:
            end = self.base + self.size
            raise self.bad(offset, path, f"{size} bytes from here on", f"them to end by byte {end}")

    def unpack(self, form: struct.Struct, offset: int, path: str) -> Any:
        """The only value of `form` at `offset`."""
        self.check(offset, form.size, path)
        return form.unpack_from(self.data, offset)[0]

    def u32(self, offset: int, path: str) -> int:
        """raises: BadPte."""
        value: int = self.unpack(_U32, offset, path)
        return value

    def cut(self, offset: int, size: int, path: str) -> memoryview:
        """A part of the bytes, not copied.

        raises: BadPte.
        """
        self.check(offset, size, path)
        return self.data[offset : offset + size]


class Buffer(Bytes):
    """The bytes of one flatbuffer and the names of its fields.

    schema: for each table its fields in slot order; a union takes two, "<name>_type" and "<name>".
    """

    def __init__(self, data: memoryview, file_name: str, schema: Schema, base: int = 0) -> None:
        super().__init__(data, file_name, base)
        self.slots = {kind: {name: slot for slot, name in enumerate(names)} for kind, names in schema.items()}
        self.budget = min(_MOST_ITEMS, 2 * self.size + 1024)

    def root(self, kind: str) -> Table:
        """The root table. kind: its name in the schema."""
        return Table(self, self.u32(0, "root"), kind)

    def spend(self, items: int, offset: int, path: str) -> None:
        """Count items that are read.

        raises: BadPte beyond the bound.
        """
        self.budget -= items
        if self.budget < 0:
            raise self.bad(offset, path, "the same bytes referred to over and over", "a tree of tables")


class Table:
    """One table. A field is read by name; an absent one gives its default. Every method raises BadPte."""

    __slots__ = ("buffer", "kind", "position", "slots", "vtable", "vtable_size")

    def __init__(self, buffer: Buffer, position: int, kind: str) -> None:
        buffer.spend(1, position, kind)
        self.buffer, self.position, self.kind = buffer, position, kind
        self.slots = buffer.slots[kind]
        self.vtable = position - buffer.unpack(_I32, position, kind)
        self.vtable_size = buffer.unpack(_U16, self.vtable, kind)
        if self.vtable_size < 4 or self.vtable_size % 2:
            raise buffer.bad(self.vtable, kind, f"a vtable of {self.vtable_size} bytes", "an even number from 4 on")
        buffer.check(self.vtable, self.vtable_size, kind)

    def path(self, name: str) -> str:
        """A field for a message, e.g. "Tensor.sizes"."""
        return f"{self.kind}.{name}"

    def bad(self, name: str, got: str, wanted: str) -> BadPte:
        """The error for a field whose value is not allowed, to be raised by the caller."""
        offset = self._field(name, 1)
        return self.buffer.bad(self.position if offset is None else offset, self.path(name), got, wanted)

    def _field(self, name: str, width: int) -> int | None:
        """The position of the field, None when it is absent."""
        entry = 4 + 2 * self.slots[name]
        if entry + 2 > self.vtable_size:
            return None
        offset = int(_U16.unpack_from(self.buffer.data, self.vtable + entry)[0])
        if offset == 0:
            return None
        # Not checked against the table's size: flatbuffers' Python builder shares a vtable between tables that differ
        # only in the width of their last field, so the size may be another table's.
        self.buffer.check(self.position + offset, width, self.path(name))
        return self.position + offset

    def _target(self, name: str) -> int | None:
        """The position that the field's offset points to."""
        field = self._field(name, 4)
        return None if field is None else field + self.buffer.u32(field, self.path(name))

    def _scalar(self, name: str, form: str, default: Any) -> Any:
        layout = _FORMS[form]
        field = self._field(name, layout.size)
        return default if field is None else layout.unpack_from(self.buffer.data, field)[0]

    def integer(self, name: str, form: str, default: int = 0) -> int:
        """form: a letter of the struct module, little-endian: b B i I q Q."""
        return int(self._scalar(name, form, default))

    def real(self, name: str) -> float:
        """A double, 0.0 when absent."""
        return float(self._scalar(name, "d", 0.0))

    def boolean(self, name: str) -> bool:
        """False when absent."""
        return bool(self._scalar(name, "B", 0))

    def choice(self, name: str, choices: Sequence[str]) -> str:
        """An enum of bytes; `choices` names its values from 0."""
        value = self.integer(name, "b")
        if not 0 <= value < len(choices):
            raise self.bad(name, str(value), f"0 to {len(choices) - 1}")
        return choices[value]

    def table(self, name: str, kind: str) -> Table | None:
        """kind: the table's name in the schema."""
        target = self._target(name)
        return None if target is None else Table(self.buffer, target, kind)

    def _vector(self, name: str, width: int) -> tuple[int, int]:
        """The position of the first item, and the number of items."""
        target = self._target(name)
        if target is None:
            return 0, 0
        path = self.path(name)
        count = self.buffer.u32(target, path)
        if count * width > self.buffer.size - target - 4:
            end = self.buffer.base + self.buffer.size
            raise self.buffer.bad(target, path, f"{count} items of {width} bytes", f"a vector that ends by byte {end}")
        return target + 4, count

    def tables(self, name: str, kind: str) -> tuple[Table, ...]:
        """A vector of tables, all of the same kind."""
        start, count = self._vector(name, 4)
        self.buffer.spend(count, start, self.path(name))
        entries = range(start, start + 4 * count, 4)
        return tuple(Table(self.buffer, entry + self.buffer.u32(entry, self.path(name)), kind) for entry in entries)

    def numbers(self, name: str, form: str) -> tuple[Any, ...]:
        """A vector of scalars; form as in integer()."""
        start, count = self._vector(name, _FORMS[form].size)
        self.buffer.spend(count, start, self.path(name))
        return struct.unpack_from(f"<{count}{form}", self.buffer.data, start)

    def data(self, name: str) -> memoryview:
        """A vector of bytes, not copied."""
        start, count = self._vector(name, 1)
        return self.buffer.data[start : start + count]

    def data_offset(self, name: str) -> int:
        """The byte of the file where data() begins."""
        return self.buffer.base + self._vector(name, 1)[0]

    def string(self, name: str) -> str:
        """Text, "" when absent."""
        start, count = self._vector(name, 1)
        if start == 0:
            return ""
        self.buffer.spend(count, start, self.path(name))
        if bytes(self.buffer.cut(start + count, 1, self.path(name))) != b"\0":
            raise self.buffer.bad(start + count, self.path(name), "text without an end", "NUL behind it")
        try:
            return str(self.buffer.data[start : start + count], "utf-8")
        except UnicodeDecodeError as error:
            raise self.buffer.bad(start + error.start, self.path(name), "bytes that are no text", "UTF-8") from None


_FORMS = {letter: struct.Struct(f"<{letter}") for letter in "bBhHiIqQd"}
