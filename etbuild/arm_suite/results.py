"""The result of one test of ExecuTorch's suite, and of all of them. It runs nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from etbuild.arm_suite.exactness import Found

VERDICTS = ("passed", "xfail", "failed", "not run")
_NPU = re.compile(r"u(?:55|65|85)", re.IGNORECASE)


@dataclass(frozen=True)
class Result:
    """One parametrisation of one test function.

    file:    below ExecuTorch's folder of Arm tests.
    case:    the parametrisation's name; "" for a function without any.
    verdict: passed; xfail (fails as the suite says); failed; not run.
    cause:   of a verdict other than passed.
    tosa:    the comparison with the TOSA reference model, of each program that the test ran.
    """

    file: str
    function: str
    case: str
    verdict: str
    cause: str = ""
    tosa: tuple[Found, ...] = ()
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        row = {name: getattr(self, name) for name in ("file", "function", "case", "verdict", "cause")}
        return {**row, "tosa": [list(found) for found in self.tosa], "seconds": self.seconds}

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Result:
        tosa = tuple(Found(*found) for found in row["tosa"])
        name = (row["file"], row["function"], row["case"])
        return cls(*name, row["verdict"], row["cause"], tosa, row["seconds"])


def name_of(file: str, function: str, case: str) -> str:
    """A test as pytest names it, below ExecuTorch's folder of Arm tests."""
    return f"{file}::{function}" + (f"[{case}]" if case else "")


def npu_of(name: str) -> str:
    """The NPU that a test's name names: u55, u65, u85, or "" for none."""
    found = _NPU.search(name)
    return found[0].lower() if found else ""


def verdict_of(outcome: str, expected_failure: str | None, text: str) -> tuple[str, str]:
    """The verdict of a test, and its cause.

    outcome:          pytest's: passed, failed or skipped.
    expected_failure: the reason of the mark xfail, where it decided the outcome.
    text:             why it did not pass.
    """
    if outcome == "passed":
        return "passed", "" if expected_failure is None else f"passes, though: {expected_failure}"
    if outcome == "skipped":
        return ("not run", text) if expected_failure is None else ("xfail", expected_failure or text)
    return "failed", _cause(text)


def _cause(text: str) -> str:
    """The first lines of an error; what the simulator said, without the command that started it."""
    said = re.search(r"^Stderr: (.*?)\s*^Stdout:", text, re.MULTILINE | re.DOTALL)
    lines = (said[1] if said and said[1] else text).strip().splitlines()
    return re.sub(r"\S*/program\.pte", "program.pte", " ".join(line.strip() for line in lines[:4]))[:400]
