"""The one noun of the plan: a command, what it reads, what it writes. It runs nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Step:
    """One command of the plan.

    name:     "<kind>:<recipe>[@<part>]", the doit task, e.g. "vela:mnist@ethos-u85-256"; the kind is
              the module in etbuild.steps.
    argv:     arguments of `python -m etbuild.steps.<kind>`; its paths are relative to the project's root.
    inputs:   files and folders that it reads, relative to the project's root (absolute if outside it).
    outputs:  files and folders that it writes, all below build/; a folder's content is one output.
    tools:    names in etbuild.tools whose version is part of the decision to run again.
    depfile:  an output, JSON {"inputs": [path, ...]}: what the step read beyond `inputs`; None if nothing.
    """

    name: str
    argv: tuple[str, ...]
    inputs: tuple[Path, ...]
    outputs: tuple[Path, ...]
    tools: tuple[str, ...] = ()
    depfile: Path | None = None

    @property
    def kind(self) -> str:
        return self.name.partition(":")[0]

    @property
    def recipe(self) -> str:
        return self.name.partition(":")[2].partition("@")[0]

    @property
    def part(self) -> str:
        """The profile or variant that the step belongs to; "" when the recipe has it once."""
        return self.name.partition("@")[2]
