"""Checks that a linked image can start: it has code, and its vector table points into it. It does not run it."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING

from etbuild.errors import StepError

if TYPE_CHECKING:
    from pathlib import Path

    from etbuild.firmware.sizes import Section

# The vector table of a Cortex-M begins with the initial stack pointer and the address of the reset handler.
_START = struct.Struct("<II")


def check_start(sections: Sequence[Section], binary: Path, alignment: int = 1) -> None:
    """Check the start of an image.

    sections:  of the linker's map.
    binary:    firmware.bin, which begins with the vector table.
    alignment: of the vector table, in bytes.
    raises:    StepError when there is no code, no reset handler in it, or no vector table that VTOR can point to.
    """
    sizes = {section.name: section for section in sections}
    code = sizes.get(".text")
    if code is None:
        raise _problem("0 bytes of code in section .text", "the code of the runtime")
    table = sizes.get(".vectors") or sizes.get(".interrupts")
    if table is None or table.bytes < _START.size:
        raise _problem(f"{table.bytes if table else 0} bytes of vector table in section .vectors", "a reset handler")
    if table.address % alignment:
        raise _problem(f"a vector table at {table.address:#010x}", f"one at a multiple of {alignment:#x}")
    _, handler = _START.unpack_from(binary.read_bytes())
    # Bit 0 is set in the address of a Thumb function.
    if not (handler & 1 and code.address <= handler - 1 < code.address + code.bytes):
        end = code.address + code.bytes
        raise _problem(
            f"a reset handler at {handler:#010x}", f"a Thumb function in .text, {code.address:#010x} to {end:#010x}"
        )


def _problem(got: str, wanted: str) -> StepError:
    return StepError(
        f"firmware.elf: got {got}, wanted {wanted}\n"
        "    etbuild cache verify finds damaged objects; doit -a firmware:<recipe> compiles and links again"
    )
