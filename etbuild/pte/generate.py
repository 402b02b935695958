"""Writes runtime/pte/format.h, the numbers of ExecuTorch's file formats for C++, from etbuild.pte.schema.

Run as `python -m etbuild.pte.generate`; a test checks that the file is up to date.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from etbuild import RUNTIME
from etbuild.pte.schema import (
    DATA_LOCATIONS,
    FLAT_TENSOR,
    INSTRUCTIONS,
    KERNEL_TYPES,
    PROGRAM,
    SCALAR_TYPES,
    SHAPE_DYNAMISMS,
    TENSOR_DATA_LOCATIONS,
    ScalarType,
)

HEADER = RUNTIME / "pte" / "format.h"

_VALUE_TYPES = {
    "Null": "null",
    "Int": "integer",
    "Bool": "boolean",
    "Double": "real",
    "Tensor": "tensor",
    "String": "string",
    "IntList": "integers",
    "DoubleList": "reals",
    "BoolList": "booleans",
    "TensorList": "tensors",
    "OptionalTensorList": "optional_tensors",
}
_INSTRUCTIONS = {
    "KernelCall": "kernel",
    "DelegateCall": "delegate",
    "MoveCall": "move",
    "JumpFalseCall": "jump_false",
    "FreeCall": "free",
}
_ENUMS = (
    ("DataLocation", "Where a delegate's data is.", DATA_LOCATIONS),
    ("TensorDataLocation", "Where a tensor's initial data is.", TENSOR_DATA_LOCATIONS),
    ("ShapeDynamism", "Whether a tensor's sizes may change; bound: up to its sizes in the file.", SHAPE_DYNAMISMS),
)
_KEYWORDS = ("inline", "static")


def header() -> str:
    """The text of runtime/pte/format.h."""
    out = [
        "// Generated from etbuild/pte/schema.py by `python -m etbuild.pte.generate`; do not edit.",
        "// The numbers of ExecuTorch's file formats: fields, members of unions and enums, scalar types.",
        "// clang-format off",
        "#pragma once",
        "",
        "#include <cstddef>",
        "#include <cstdint>",
        "",
        '#include "base/wide.h"',
        "",
        "namespace etb {",
        "",
        "// Field ids, field::<table>::<field> with the names of program.fbs; of flat_tensor.fbs in field::ptd.",
        "namespace field {",
        *_tables(PROGRAM),
        "namespace ptd {",
        *_tables(FLAT_TENSOR),
        "}  // namespace ptd",
        "}  // namespace field",
        "",
        "// The union KernelTypes. What a value is.",
        *_union("ValueType", [_VALUE_TYPES[name] for name in KERNEL_TYPES[1:]]),
        f"inline constexpr std::uint8_t value_types = {len(KERNEL_TYPES) - 1};",
        "",
        "// The union InstructionArguments.",
        *_union("Instruction", [_INSTRUCTIONS[name] for name in INSTRUCTIONS[1:]]),
        f"inline constexpr std::uint8_t instruction_types = {len(INSTRUCTIONS) - 1};",
        "",
    ]
    for name, meaning, choices in _ENUMS:
        out += [f"// {meaning}", f"enum class {name} : std::int8_t {{ {', '.join(map(_identifier, choices))} }};", ""]
    out += [*_scalar_types(), "", "}  // namespace etb", ""]
    return "\n".join(out)


def _tables(tables: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for name, fields in tables.items():
        if fields:
            yield f"namespace {name} {{"
            yield from textwrap.wrap(f"enum : unsigned {{ {', '.join(fields)} }};", 118, subsequent_indent="    ")
            yield "}"


def _identifier(name: str) -> str:
    return f"{name}_" if name in _KEYWORDS else name


def _union(name: str, members: Sequence[str]) -> Iterator[str]:
    yield f"enum class {name} : std::uint8_t {{"
    yield from (f"    {member} = {number}," for number, member in enumerate(members, 1))
    yield "};"


def _scalar_types() -> Iterator[str]:
    known = {number: scalar for number, scalar in SCALAR_TYPES.items() if scalar.short}
    yield "// Scalar types; only those that a kernel computes with, or moves, have a name."
    yield "enum class DType : std::int8_t {"
    yield from (f"    {scalar.short} = {number},  // {scalar.name}" for number, scalar in known.items())
    yield "};"
    yield ""
    yield "// Bytes of one element; 0 for a type without a name here."
    yield "constexpr std::size_t element_size(DType type) {"
    yield "    if constexpr (all_types) switch (type) {"
    yield from _sizes([scalar for scalar in known.values() if scalar.wide])
    yield "    switch (type) {"
    yield from _sizes([scalar for scalar in known.values() if not scalar.wide])
    yield "    return 0;"
    yield "}"


def _sizes(scalars: Sequence[ScalarType]) -> Iterator[str]:
    """The body of a switch that returns the sizes of these types."""
    for bits in sorted({scalar.bits for scalar in scalars}):
        yield from (f"        case DType::{scalar.short}:" for scalar in scalars if scalar.bits == bits)
        yield f"            return {bits // 8};"
    yield "        default:"
    yield "            break;"
    yield "    }"


def outputs() -> dict[Path, str]:
    """Each generated file with its text."""
    return {HEADER: header()}


if __name__ == "__main__":
    for path, text in outputs().items():
        path.write_text(text, encoding="utf-8")
