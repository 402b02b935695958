"""Generates runtime/app/exit.h and runtime/base/code.h from etbuild.firmware.codes.

Run it as `python -m etbuild.firmware.generate`; a test checks that the files are up to date.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from etbuild import RUNTIME
from etbuild.firmware.codes import Code, Exit, Reported

_EDIT = "// Generated from etbuild/firmware/codes.py by `python -m etbuild.firmware.generate`; do not edit."


def exit_header() -> str:
    """The text of runtime/app/exit.h."""
    lines = (
        _EDIT,
        "// The exit codes of a firmware. Simulators use 1 and 2 for themselves.",
        "// clang-format off",
        "#pragma once",
        "",
        "namespace etb::app {",
        "",
        "enum Exit : int {",
        *_rows(Exit, "exit_"),
        "};",
        "",
        "}  // namespace etb::app",
        "",
    )
    return "\n".join(lines)


def code_header() -> str:
    """The text of runtime/base/code.h."""
    lines = (
        _EDIT,
        "// The kind of an error, as a Status holds it.",
        "// clang-format off",
        "#pragma once",
        "",
        "#include <cstdint>",
        "",
        "namespace etb {",
        "",
        "enum class Code : std::uint8_t {",
        *_rows(Code, ""),
        "};",
        "",
        "}  // namespace etb",
        "",
    )
    return "\n".join(lines)


def _rows(table: type[Reported], prefix: str) -> Iterator[str]:
    for one in table:
        yield f"    {prefix}{one.name.lower()} = {one.value},  // {one.meaning}"


def outputs() -> dict[Path, str]:
    """The text of each generated file, by its path."""
    return {RUNTIME / "app" / "exit.h": exit_header(), RUNTIME / "base" / "code.h": code_header()}


if __name__ == "__main__":
    for path, text in outputs().items():
        path.write_text(text, encoding="utf-8")
