"""Writes npu/commands.h (decode tables for C++) and npu/COMMANDS.md (for people) from npu/commands.yaml.

Run as `python -m etbuild.npu.generate`; a test checks that both files are up to date.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from etbuild.npu.command_table import SOURCE, CommandTable, Field, Operation, Register, load

HEADER = SOURCE.with_name("commands.h")
PAGE = SOURCE.with_name("COMMANDS.md")
FAMILIES = ("u55", "u65", "u85")


def _namespace(families: frozenset[str]) -> str:
    if "u85" not in families:
        return "reg55"
    return "reg85" if families == {"u85"} else "reg"


def _identifier(register: Register, field: Field) -> str:
    name = register.name.removesuffix("_M1").lower()
    return name if field.name == "value" else f"{name}_{field.name}"


def _constants(register: Register) -> Iterator[str]:
    for field in register.fields:
        name = _identifier(register, field)
        wide, signed = str(register.wide).lower(), str(field.signed).lower()
        code = register.code & 0xFF
        where = f"{code:#04x}, {wide}, {field.low}, {field.bits}"
        yield f"inline constexpr Field {name} = field({where}, {signed}, {field.plus});"
        for value, number in field.values:
            yield f"inline constexpr unsigned {name}_{value.lower()} = {number};"


def _bits(codes: list[int]) -> str:
    rows = [0] * 32
    for code in codes:
        rows[(code & 0xFF) >> 3] |= 1 << (code & 7)
    return "{" + ", ".join(f"{row:#04x}" for row in rows) + "}"


def _known(table: CommandTable) -> Iterator[str]:
    yield "// One bit a register of this family: [family][narrow, wide][code / 8]."
    yield "inline constexpr std::uint8_t known_registers[3][2][32] = {"
    for family in FAMILIES:
        mine = [one for one in table.registers if family in one.families and not one.operation]
        narrow, wide = [one.code for one in mine if not one.wide], [one.code for one in mine if one.wide]
        yield f"    {{{_bits(narrow)},"
        yield f"     {_bits(wide)}}},"
    yield "};"


def _modes(operation: Operation) -> Iterator[str]:
    name = operation.name.capitalize() + "Mode"
    yield f"enum class {name} : std::uint8_t {{"
    for mode in operation.modes:
        yield f"    {mode.name.lower()}_ = {mode.value},"
    yield "};"


def _inaccuracies(table: CommandTable) -> Iterator[str]:
    yield from table.inaccuracies
    for name, reason in table.not_emulated.items():
        yield f"{name} is an error. {reason}"
    for operation in table.operations:
        for mode in operation.modes:
            if mode.unverified:
                yield f"{operation.name} {mode.name}, unverified: {mode.unverified}."


def _names(table: CommandTable) -> Iterator[str]:
    yield "struct Name {"
    yield "    std::uint8_t code;"
    yield "    std::uint8_t mode;"
    yield "    const char* text;"
    yield "};"
    yield "inline constexpr Name operation_names[] = {"
    for operation in table.operations:
        if not operation.modes:
            yield f'    {{{operation.code}, 0, "{operation.name}"}},'
        for mode in operation.modes:
            yield f'    {{{operation.code}, {mode.value}, "{operation.name} {mode.name}"}},'
    yield "};"


def header(table: CommandTable) -> str:
    """The text of npu/commands.h."""
    out = [
        "// Generated from npu/commands.yaml by `python -m etbuild.npu.generate`; do not edit.",
        "// clang-format off",
        "//",
        "// Inaccuracies:",
        *(f"// - {text}" for text in _inaccuracies(table)),
        "#pragma once",
        "",
        "#include <cstdint>",
        "",
        "namespace etb::npu {",
        "",
        "enum class Op : std::uint8_t {",
        *(f"    {one.name.lower()} = {one.code}," for one in table.operations),
        "};",
        "",
        *(line for one in table.operations if one.modes for line in (*_modes(one), "")),
        "// Some bits of a register; `plus` (0 or 1) is added to their number. Packed, so that it is one constant.",
        "enum class Field : std::uint32_t {};",
        "constexpr Field field(unsigned code, bool wide, unsigned low, unsigned bits, bool is_signed, unsigned plus) {",
        "    const unsigned flags = (wide ? 1U : 0U) << 8 | (is_signed ? 1U : 0U) << 21;",
        "    return Field{code | flags | low << 9 | bits << 15 | plus << 22};",
        "}",
        "// The same bits of the register `count` codes further on.",
        "constexpr Field after(Field one, unsigned count) { return Field{static_cast<std::uint32_t>(one) + count}; }",
        "",
    ]
    for namespace in ("reg", "reg55", "reg85"):
        out.append(f"namespace {namespace} {{")
        for register in table.registers:
            if _namespace(register.families) == namespace and not register.operation:
                out.extend(_constants(register))
        out.extend((f"}}  // namespace {namespace}", ""))
    out.extend((*_known(table), "", *_names(table), "", "}  // namespace etb::npu", ""))
    return "\n".join(out)


def _families(families: frozenset[str]) -> str:
    return ", ".join(family.upper() for family in FAMILIES if family in families)


def _field_text(field: Field) -> str:
    last = field.low + field.bits - 1
    where = f"{field.low}-{last}" if field.bits > 1 else str(field.low)
    text = f"`{field.name}` {where}"
    text += " signed" if field.signed else ""
    text += f" +{field.plus}" if field.plus else ""
    text += f", {field.unit}" if field.unit else ""
    return text + (": " + ", ".join(f"{number} {name}" for name, number in field.values) if field.values else "")


def page(table: CommandTable) -> str:
    """The text of npu/COMMANDS.md."""
    out = ["# The Ethos-U command stream", "", "Generated from commands.yaml; do not edit.", "", "## Operations", ""]
    out.extend(("| code | name | families | fields and modes |", "|---|---|---|---|"))
    for one in table.operations:
        modes = [
            f"{mode.value} {mode.name}" + ("" if mode.families == one.families else f" ({_families(mode.families)})")
            for mode in one.modes
        ]
        parts = [*(_field_text(field) for field in one.fields), *([", ".join(modes)] if modes else []), one.note]
        out.append(f"| {one.code} | {one.name} | {_families(one.families)} | {'; '.join(p for p in parts if p)} |")
    for title, wide in (("Narrow registers (16 bits)", False), ("Wide registers (48 bits)", True)):
        out.extend(("", f"## {title}", "", "| code | name | families | fields |", "|---|---|---|---|"))
        for entry in table.registers:
            if entry.wide == wide:
                parts = [*(_field_text(field) for field in entry.fields), entry.note]
                text = "; ".join(part for part in parts if part)
                out.append(f"| {entry.code:#x} | {entry.name} | {_families(entry.families)} | {text} |")
    out.extend(("", "## Inaccuracies of the emulator", "", *(f"- {text}" for text in _inaccuracies(table)), ""))
    out.extend(("## What ExecuTorch's tests record of hardware", "", "| test | its record | the emulator |"))
    out.extend(
        ("|---|---|---|", *(f"| {one.test} | {one.record} | {one.here} |" for one in table.hardware_records), "")
    )
    out.extend(("## Faults of Vela that its streams show", "", *(f"- {text}" for text in table.compiler_faults), ""))
    return "\n".join(out)


def outputs() -> dict[Path, str]:
    """Each generated file with its text."""
    return {HEADER: header(load()), PAGE: page(load())}


if __name__ == "__main__":
    for path, text in outputs().items():
        path.write_text(text, encoding="utf-8")
