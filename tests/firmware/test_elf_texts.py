"""Texts of error messages in an ELF file."""

from __future__ import annotations

from pathlib import Path

from images import PTES

from etbuild.firmware.elf_texts import Texts


def test_a_file_that_is_no_elf_file_has_no_texts(tmp_path: Path) -> None:
    """The number of the text is shown instead."""
    (tmp_path / "x.elf").write_bytes(b"\x7fELF\x01\x01" + bytes(20))

    assert Texts(tmp_path / "x.elf").at(0x40) == "text 0x40"
    assert Texts(PTES / "linear_cpu.pte").at(1) == "text 0x1"
