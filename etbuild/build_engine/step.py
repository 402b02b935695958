"""The one noun of the plan: a command, what it reads, what it writes. It runs nothing."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path


@dataclass(frozen=True)
class Step:
    """One command of the plan.

    name:     "<kind>:<recipe>[@<part>]", the doit task, e.g. "vela:mnist@ethos-u85-256"; the kind is
              the module in etbuild.steps.
    argv:     arguments of `python -m etbuild.steps.<kind>`; its paths are relative to the project's root.
    inputs:   files and folders that it reads, relative to the project's root (absolute if outside it).
    outputs:  files and folders that it writes, all below build/; a folder's content is one output.
    tools:    names in etbuild.system.tools whose version is part of the decision to run again.
    depfile:  an output, JSON {"inputs": [path, ...]}: what the step read beyond `inputs`; None if nothing.
    """

    name: str
    argv: tuple[str, ...]
    inputs: tuple[Path, ...]
    outputs: tuple[Path, ...]
    tools: tuple[str, ...] = ()
    depfile: Path | None = None

    @classmethod
    def kept(cls, **fields: object) -> Step:
        """A step with `reads` and `writes` in place of inputs and outputs, which become paths when one is asked for.

        Most steps of most builds are up to date, and nobody asks.
        """
        step = cls.__new__(cls)
        step.__dict__.update(fields)
        return step

    def __getattr__(self, name: str) -> tuple[Path, ...]:
        if name not in ("inputs", "outputs"):
            raise AttributeError(f"{type(self).__name__} has no {name}")
        paths = self.__dict__[name] = tuple(map(Path, self.reads if name == "inputs" else self.writes))
        return paths

    @cached_property
    def reads(self) -> tuple[str, ...]:
        """The inputs by name."""
        return tuple(map(os.fspath, self.inputs))

    @cached_property
    def writes(self) -> tuple[str, ...]:
        """The outputs by name."""
        return tuple(map(os.fspath, self.outputs))

    @cached_property
    def kind(self) -> str:
        return self.name.partition(":")[0]

    @property
    def recipe(self) -> str:
        return self.name.partition(":")[2].partition("@")[0]

    @property
    def part(self) -> str:
        """The profile or variant that the step belongs to; "" when the recipe has it once."""
        return self.name.partition("@")[2]
