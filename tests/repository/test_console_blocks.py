"""The console blocks of the pages: their commands run in a project, and print what is written there."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import pytest
from documented import Block, Session, blocks, pattern, sessions

CONSOLE = [block for block in blocks() if block.language == "console" and not block.reason]
PAGES = {page: list(found) for page, found in groupby(CONSOLE, lambda block: block.page)}


@dataclass(frozen=True)
class Shell:
    """A folder in which the commands of one page run, one after the other, with a compile server of its own."""

    folder: Path
    environment: dict[str, str]

    def run(self, command: str) -> tuple[int, str]:
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """The folder's name is not shown by any command; that of the runtime directory is short, for the socket in it."""
    with tempfile.TemporaryDirectory(prefix="run") as runtime:
        programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        own = {"PATH": programs, "XDG_RUNTIME_DIR": runtime, "XDG_CACHE_HOME": str(tmp_path / ".cache")}
        (tmp_path / "project").mkdir()
        found = Shell(tmp_path / "project", {**os.environ, **own})
        yield found
        found.run("etbuild server stop")


def check(shell: Shell, block: Block, one: Session) -> None:
    code, printed = shell.run(one.command)
    # A message; and `doit why` ends with 1 where something would run.
    fails = ": got " in one.output or " runs\n" in one.output

    assert (code != 0) == fails, f"{block.place}: {one.command}\n{printed}"
    if one.output:
        lines = "".join(f"{line.rstrip()}\n" for line in printed.splitlines())
        assert pattern(one.output).fullmatch(lines), f"{block.place}: {one.command}\n{printed}"


@pytest.mark.e2e
@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_print_what_is_written(page: str, shell: Shell) -> None:
    """In their order, without those that take minutes. A block in which a message is shown ends with an error."""
    for block in PAGES[page]:
        for one in sessions(block) if not block.slow else ():
            check(shell, block, one)


@pytest.mark.slow
@pytest.mark.e2e
@pytest.mark.parametrize("page", [page for page, found in PAGES.items() if any(block.slow for block in found)])
def test_all_commands_of_a_page_print_what_is_written(page: str, shell: Shell) -> None:
    """Those that build a firmware and run it in QEMU, too."""
    for block in PAGES[page]:
        for one in sessions(block):
            check(shell, block, one)


def test_a_console_block_has_a_command() -> None:
    """A line that begins with `$ `."""
    assert [block.place for block in CONSOLE if not sessions(block)] == []


def test_an_output_matches_in_all_but_times_and_what_is_left_out() -> None:
    """`...` alone is any lines, in a line any text."""
    written = pattern("export:net   ran   1.4 s  never built\n...\ndone in ... files\n")

    assert written.fullmatch("export:net ran  11.0 s  never built\ndone in 3 files\n")
    assert written.fullmatch("export:net ran  0.1 s  never built\nmore\nmore\ndone in 3 files\n")
    assert not written.fullmatch("export:net ran  0.1 s  input changed\ndone in 3 files\n")
    assert not written.fullmatch("export:net ran  0.1 s  never built\ndone in 3 files\nmore\n")
