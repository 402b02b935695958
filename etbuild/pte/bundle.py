"""Reads a .bpte: a program and test cases for its methods in one file. It does not read the values of the cases."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from etbuild.pte.flatbuffer import Buffer
from etbuild.pte.reader import check_identifier, parse, read_bytes
from etbuild.pte.schema import BUNDLED_PROGRAM

if TYPE_CHECKING:
    from etbuild.pte.program import Program

IDENTIFIER = b"BP08"


@dataclass(frozen=True, slots=True)
class Suite:
    """The test cases of one method."""

    method: str
    cases: int


@dataclass(frozen=True, slots=True)
class Bundle:
    """A whole .bpte. offset: byte of the file where the program begins."""

    size: int
    version: int
    suites: tuple[Suite, ...]
    offset: int
    program: Program


def read_bundle(path: Path | str) -> Bundle:
    """Read and check a .bpte.

    raises: BadPte, also for the program inside; UsageError when there is no such file.
    """
    buffer = Buffer(read_bytes(path), str(path), BUNDLED_PROGRAM)
    check_identifier(buffer, IDENTIFIER, "a bundled program")
    root = buffer.root("BundledProgram")
    offset = root.data_offset("program")
    return Bundle(
        size=buffer.size,
        version=root.integer("version", "I"),
        suites=tuple(
            Suite(suite.string("method_name"), len(suite.tables("test_cases", "BundledMethodTestCase")))
            for suite in root.tables("method_test_suites", "BundledMethodTestSuite")
        ),
        offset=offset,
        program=parse(root.data("program"), str(path), offset),
    )
