"""Generates model.h, which declares and describes a .pte as a C array, and model.S, which defines it.

model.h can define the array itself. Neither is compiled here.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etbuild.errors import StepError, UsageError

if TYPE_CHECKING:
    from etbuild.recipe.output_sections import Header

_C_TYPES = {
    "bool": "uint8_t",
    "uint8": "uint8_t",
    "int8": "int8_t",
    "int16": "int16_t",
    "uint16": "uint16_t",
    "int32": "int32_t",
    "uint32": "uint32_t",
    "int64": "int64_t",
    "uint64": "uint64_t",
    "float16": "uint16_t",
    "bfloat16": "uint16_t",
    "float32": "float",
    "float64": "double",
}
"""The C type of an element by dtype; half floats are stored as their bits."""


@dataclass(frozen=True)
class CPort:
    """One input or output of a model.

    name:  input_0, output_0 and so on.
    type:  the C type of an element; "" when it is not a tensor.
    bytes: its size.
    scale, zero_point: quantisation parameters; None for floating point.
    """

    name: str
    type: str
    dtype: str
    shape: tuple[int, ...]
    bytes: int
    scale: float | None
    zero_point: int | None


@dataclass(frozen=True)
class Model:
    """A .pte with its inputs and outputs, as its manifest describes them.

    ports: with the macros' prefix, "INPUT"; of a program with several methods "ENCODE_INPUT" for each.
    """

    data: bytes
    ports: tuple[tuple[str, tuple[CPort, ...]], ...]

    @property
    def digest(self) -> str:
        """SHA-256 of the .pte, hexadecimal."""
        return hashlib.sha256(self.data).hexdigest()


def header_text(model: Model, settings: Header) -> str:
    """The text of model.h, without dates and paths, so that equal models give equal bytes."""
    lines = (
        *_declaration_begin(model, settings),
        *(line for name, ports in model.ports for line in _port_macros(f"{settings.symbol.upper()}_{name}", ports)),
        *_declaration_end(settings),
        *_definition(model, settings),
    )
    return "".join(f"{line}\n" for line in lines)


def assembly_text(model: Model, settings: Header) -> str:
    """The text of model.S, for the GNU assembler of any target."""
    symbol = settings.symbol
    return f"""\
/* Defines {symbol} and {symbol}_end from model.pte, {len(model.data)} bytes,
 * SHA-256 {model.digest}.
 * Compile it as `gcc -c -I<folder of model.pte> model.S`; model.h declares the symbols.
 */
    .section {settings.section or f".rodata.{symbol}"}, "a", %progbits
    .global {symbol}
    .global {symbol}_end
    .type {symbol}, %object
    .balign {settings.alignment}
{symbol}:
    .incbin "model.pte"
{symbol}_end:
    .size {symbol}, {symbol}_end - {symbol}

    .section .note.GNU-stack, "", %progbits
"""


def _declaration_begin(model: Model, settings: Header) -> Iterator[str]:
    """The comment at the top, the include guard, and the macros of the array."""
    symbol, prefix = settings.symbol, settings.symbol.upper()
    yield from f"""\
/* model.pte, {len(model.data)} bytes, as the array {symbol}.
 *
 * Include this file wherever the model is used. For the array itself do one of two things:
 *   assemble model.S, which is beside this file, or
 *   write `#define {prefix}_DEFINE` before this include in one C or C++ file of the program.
 */
#ifndef {prefix}_H
#define {prefix}_H

#include <stdint.h>

#define {prefix}_SIZE {len(model.data)}u
#define {prefix}_ALIGNMENT {settings.alignment}u
#define {prefix}_SHA256 "{model.digest}"
""".splitlines()


def _declaration_end(settings: Header) -> Iterator[str]:
    """The declaration of the array and the end of the include guard."""
    symbol, prefix = settings.symbol, settings.symbol.upper()
    yield from f"""
#ifdef __cplusplus
extern "C" {{
#endif

extern const unsigned char {symbol}[{prefix}_SIZE];

#ifdef __cplusplus
}}
#endif

#endif
""".splitlines()


def _definition(model: Model, settings: Header) -> Iterator[str]:
    """The definition of the array, for the source file that defines <SYMBOL>_DEFINE."""
    symbol, prefix = settings.symbol, settings.symbol.upper()
    yield from f"""
#if defined({prefix}_DEFINE) && !defined({prefix}_DEFINED)
#define {prefix}_DEFINED

#if defined(__cplusplus) && __cplusplus >= 201103L
#define {prefix}_ALIGNED alignas({settings.alignment})
#elif defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
#define {prefix}_ALIGNED _Alignas({settings.alignment})
#else
#define {prefix}_ALIGNED __attribute__((aligned({settings.alignment})))
#endif
""".splitlines()
    section = f' __attribute__((section("{settings.section}")))' if settings.section else ""
    yield ""
    yield f"{prefix}_ALIGNED const unsigned char {symbol}[{prefix}_SIZE]{section} = {{"
    for start in range(0, len(model.data), settings.bytes_per_line):
        row = model.data[start : start + settings.bytes_per_line]
        yield f"    0x{row.hex(',').replace(',', ', 0x')},"
    yield "};"
    yield ""
    yield "#endif"


def _port_macros(prefix: str, ports: Sequence[CPort]) -> Iterator[str]:
    """Macros rather than C constants: unused constants cause warnings, and macros can be used in #if."""
    yield ""
    yield f"#define {prefix}_COUNT {len(ports)}"
    for port in ports:
        if not port.type:
            yield f"/* {port.name} is no tensor: {port.dtype}. */"
            continue
        yield f"/* {port.name}: {port.dtype}{list(port.shape)} */"
        name = f"{prefix}_{port.name.rpartition('_')[2]}"
        yield f"#define {name}_TYPE {port.type}"
        yield f"#define {name}_RANK {len(port.shape)}"
        yield f"#define {name}_SHAPE {{{', '.join(map(str, port.shape)) or '1'}}}"
        yield f"#define {name}_BYTES {port.bytes}u"
        if port.scale is not None:
            yield f"#define {name}_SCALE {_float(port.scale)}"
            yield f"#define {name}_ZERO_POINT {_integer(port.zero_point or 0)}"


def _float(value: float) -> str:
    """A C constant with the same value as a 32-bit float."""
    text = f"{value:.9g}"
    return f"{text}f" if set(text) & set(".e") else f"{text}.0f"


def _integer(value: int) -> str:
    return str(value) if value >= 0 else f"({value})"


def read_model(pte: Path, manifest: Path) -> Model:
    """Read a .pte and its manifest.json.

    The inputs and outputs come from the manifest: the program has no quantisation parameters for integers.
    raises: StepError when the manifest is that of another .pte.
    """
    content = json.loads(manifest.read_text(encoding="utf-8"))
    methods = {f"{one['name'].upper()}_": one for one in content.get("methods", ())} or {"": content}
    ports = (
        (f"{prefix}{noun.upper()}", _ports(noun, one[f"{noun}s"]))
        for prefix, one in methods.items()
        for noun in ("input", "output")
    )
    model = Model(pte.read_bytes(), tuple(ports))
    digest = content["pte"]["sha256"]
    if digest != model.digest:
        raise StepError(f"{manifest}: pte.sha256: got {digest}, wanted that of {pte}, {model.digest}")
    return model


def _ports(noun: str, rows: Sequence[dict[str, Any]]) -> tuple[CPort, ...]:
    return tuple(
        CPort(
            f"{noun}_{index}",
            _C_TYPES.get(row["dtype"], ""),
            row["dtype"],
            tuple(row["shape"]),
            row["bytes"],
            row["scale"],
            row["zero_point"],
        )
        for index, row in enumerate(rows)
    )


def check_settings(settings: Header) -> None:
    """raises: UsageError for a setting that C or the linker does not accept."""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", settings.symbol):
        raise UsageError(f"--symbol: got {settings.symbol!r}, wanted a C identifier")
    if settings.alignment < 1 or settings.alignment & (settings.alignment - 1):
        raise UsageError(f"--alignment: got {settings.alignment}, wanted a power of two")
    if settings.bytes_per_line < 1:
        raise UsageError(f"--bytes-per-line: got {settings.bytes_per_line}, wanted at least 1")
    if settings.section is not None and not re.fullmatch(r"[A-Za-z0-9_.$]+", settings.section):
        raise UsageError(f"--section: got {settings.section!r}, wanted letters, digits, '_', '.' and '$'")
