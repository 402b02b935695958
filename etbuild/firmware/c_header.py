"""A .pte for C and C++: model.h, which declares it, describes it and may define it, and model.S, which includes it.

It compiles neither.
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
"""What an element is in C; half floats are their bits."""


@dataclass(frozen=True)
class CPort:
    """One input or output. name: input_0 and so on. type: of an element in C, "" for what is no tensor."""

    name: str
    type: str
    dtype: str
    shape: tuple[int, ...]
    bytes: int
    scale: float | None
    zero_point: int | None


@dataclass(frozen=True)
class Model:
    data: bytes
    inputs: tuple[CPort, ...]
    outputs: tuple[CPort, ...]

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


def header_text(model: Model, settings: Header) -> str:
    """The whole of model.h. It holds no date and no path, so that equal models give equal bytes."""
    return "".join(f"{line}\n" for line in _header_lines(model, settings))


def assembly_text(model: Model, settings: Header) -> str:
    """The whole of model.S, for the GNU assembler of any target."""
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


def _header_lines(model: Model, settings: Header) -> Iterator[str]:
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
    yield from _describe(f"{prefix}_INPUT", model.inputs)
    yield from _describe(f"{prefix}_OUTPUT", model.outputs)
    yield from f"""
#ifdef __cplusplus
extern "C" {{
#endif

extern const unsigned char {symbol}[{prefix}_SIZE];

#ifdef __cplusplus
}}
#endif

#endif

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


def _describe(prefix: str, ports: Sequence[CPort]) -> Iterator[str]:
    """Macros, since unused constants of C make warnings and macros also serve in #if."""
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
    """A float constant of C that reads back as the same 32-bit float."""
    text = f"{value:.9g}"
    return f"{text}f" if set(text) & set(".e") else f"{text}.0f"


def _integer(value: int) -> str:
    return str(value) if value >= 0 else f"({value})"


def read_model(pte: Path, manifest: Path) -> Model:
    """The manifest tells the grid of an integer border too, which the program itself no longer holds."""
    told = json.loads(manifest.read_text(encoding="utf-8"))
    model = Model(pte.read_bytes(), _ports("input", told["inputs"]), _ports("output", told["outputs"]))
    if told["pte"]["sha256"] != model.digest:
        raise StepError(f"{manifest}: pte.sha256: got {told['pte']['sha256']}, wanted that of {pte}, {model.digest}")
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
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", settings.symbol):
        raise UsageError(f"--symbol: got {settings.symbol!r}, wanted a name of C")
    if settings.alignment < 1 or settings.alignment & (settings.alignment - 1):
        raise UsageError(f"--alignment: got {settings.alignment}, wanted a power of two")
    if settings.bytes_per_line < 1:
        raise UsageError(f"--bytes-per-line: got {settings.bytes_per_line}, wanted at least 1")
    if settings.section is not None and not re.fullmatch(r"[A-Za-z0-9_.$]+", settings.section):
        raise UsageError(f"--section: got {settings.section!r}, wanted letters, digits, '_', '.' and '$'")
