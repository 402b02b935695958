"""Runs a program of a vendor to its end, or reads what one prints while it runs. It knows no board.

Such programs end with exit code 0 after an error, wait for answers and never end: so their output is searched for what
is known to mean failure, they get no input, and they are ended with all their children after a time.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from etbuild.deploy.received import Received
from etbuild.errors import MissingTool, StepError
from etbuild.system.programs import last_lines

_MAX_OUTPUT_BYTES = 1 << 24
_LINES = 12


@dataclass(frozen=True)
class Call:
    """A program to run.

    folder:   that it is started in; "" for the current one.
    fails_on: expressions whose match in its output means failure; wants: one that must match, "" for none.
    hint:     what to do where the program is missing, or does not end.
    """

    words: tuple[str, ...]
    folder: str = ""
    fails_on: tuple[str, ...] = ()
    wants: str = ""
    limit_s: float = 120.0
    hint: str = ""


def run(call: Call) -> str:
    """Run a program to its end; its output.

    raises: StepError with its command, why it counts as failed and its last lines; MissingTool without the program.
    """
    with tempfile.TemporaryFile() as output:
        process = _started(call, output.fileno())
        try:
            code: int | None = process.wait(call.limit_s)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            _kill(process)
        output.seek(0)
        text = output.read(_MAX_OUTPUT_BYTES).decode("utf-8", "replace")
    problem = _problem(call, code, text)
    if problem:
        raise StepError(failure(call, problem, text))
    return text


def failure(call: Call, problem: str, text: str) -> str:
    """The message about a program that failed."""
    lines = [f"{Path(call.words[0]).name}: got {problem}, wanted it to succeed", f"    {shlex.join(call.words)}"]
    lines += [f"    | {line}" for line in last_lines(text.replace("\r\n", "\n").replace("\r", "\n"), _LINES)]
    return "\n".join([*lines, *([f"    {call.hint}"] if call.hint else [])])


class Printing:
    """A program that is read while it runs: its output is a console."""

    def __init__(self, call: Call):
        """raises: MissingTool without the program."""
        self._call = call
        self._received = Received()
        self._tail = b""
        self._process = _started(call, subprocess.PIPE)
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def read(self, wait_s: float) -> bytes:
        """As Console.read."""
        return self._received.take(wait_s)

    def close(self) -> None:
        _kill(self._process)
        self._thread.join()

    def _follow(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as output:
            while data := os.read(output.fileno(), 65536):
                self._tail = (self._tail + data)[-4096:]
                self._received.add(data)
        code = self._process.wait()
        text = self._tail.decode("utf-8", "replace")
        problem = _problem(self._call, code, text) or "its end before that of the firmware's output"
        self._received.end(failure(self._call, problem, text))


def _started(call: Call, output: int) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            call.words,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=call.folder or None,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        if call.folder and error.filename == call.folder:
            raise StepError(f"{call.folder}: got no such folder, wanted that of {call.words[0]}") from None
        hint = f"\n    {call.hint}" if call.hint else ""
        raise MissingTool(f"{call.words[0]}: got no such program on PATH, wanted one{hint}") from None
    except OSError as error:
        raise StepError(f"{call.words[0]}: got `{error.strerror}`, wanted a program") from None


def _kill(process: subprocess.Popen[bytes]) -> None:
    """With its children, which may outlive it."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _problem(call: Call, code: int | None, text: str) -> str:
    for pattern in call.fails_on:
        if match := re.search(pattern, text, re.M):
            line = text[text.rfind("\n", 0, match.start()) + 1 :].splitlines()[0].strip()
            return f"`{line}`" + (" and exit code 0" if code == 0 else "")
    if code is None:
        return f"no end after {call.limit_s:g} s (it gets no input: does it wait for an answer?)"
    if code:
        return f"exit code {code}"
    return (
        f"no text that matches {call.wants!r}, and exit code 0"
        if call.wants and not re.search(call.wants, text, re.M)
        else ""
    )


def words(texts: Sequence[str], values: dict[str, str]) -> tuple[str, ...]:
    """Texts with names in braces replaced by their values.

    raises: StepError for a name that has no value.
    """
    return tuple(filled(text, values) for text in texts)


def filled(text: str, values: dict[str, str]) -> str:
    """As `words`, of one text."""

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name not in values:
            remedy = (
                f'variables: ["{name}=..."] of the board in ~/.config/etbuild/boards.yaml, or in deploy of the recipe'
            )
            raise StepError(f"{{{name}}}: got no value, wanted one for `{text}`\n    {remedy}")
        return values[name]

    return re.sub(r"\{([a-z_][a-z0-9_]*)\}", value, text)
