"""A step of the plan as data: a command, what it reads, what it writes. It runs nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple


# NamedTuples, not dataclasses: a build with nothing to do makes thousands of steps, and each class costs start-up time.
class StepOption(NamedTuple):
    """An option of a step on doit's command line: `doit sweep:mnist --fit SRAM=2M`.

    normalise: the value in its one normalised form; raises UsageError for a wrong value.
    """

    name: str
    help: str
    normalise: Callable[[str], str]


class StepKind(NamedTuple):
    """What is the same for all steps of one kind; etbuild/steps/kinds.py has a row for each.

    name:            the part of a step's name before the colon, and the doit task: "vela".
    help:            one line for `doit list`.
    module:          the program of the step: `python -m MODULE argv...`.
    per:             how many a recipe has: one, or one for each "profile" or "variant"; "recipe" for one.
    warm:            the module imports a compiler, so the compile server may run it.
    remote:          a Dask worker may run it: everything that it reads is declared.
    floating_point:  it computes floats, whose last bits depend on the processor; a Dask worker must have an equal one.
    first_run_bytes: memory that a first run is expected to need; later the peak of the last run counts.
    on_request:      runs only when named: `build:R` does not include it.
    shown:           its lines are shown while it runs: it takes long, and says how far it is.
    always:          it acts on what is outside of the build, so it runs whenever it is asked for, and its lines are
                     shown while it runs.
    options:         of doit's command line.
    """

    name: str
    help: str
    module: str
    per: str = "variant"
    warm: bool = False
    remote: bool = False
    floating_point: bool = False
    first_run_bytes: int = 200 << 20
    on_request: bool = False
    shown: bool = False
    always: bool = False
    options: tuple[StepOption, ...] = ()


class Step(NamedTuple):
    """One command of the plan. Paths are strings, relative to the project's root, or absolute if outside it.

    name:    "<kind>:<recipe>[@<part>]", the doit task, e.g. "vela:mnist@ethos-u85-256".
    argv:    arguments of the kind's program.
    inputs:  files and folders that it reads.
    outputs: files and folders that it writes, all below build/; a folder's content is one output.
    tools:   names in etbuild.system.tools; another version of one is a reason to run again.
    depfile: one of the outputs, JSON {"inputs": [path, ...]}: what the step read beyond `inputs`; "" for none.
    local:   its result depends on a device of this machine: never taken from a cache, nor stored in one.
    """

    name: str
    argv: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    tools: tuple[str, ...] = ()
    depfile: str = ""
    local: bool = False

    @property
    def kind(self) -> str:
        return self.name.partition(":")[0]

    @property
    def recipe(self) -> str:
        return self.name.partition(":")[2].partition("@")[0]

    @property
    def part(self) -> str:
        """The profile or variant that the step belongs to; "" for steps that a recipe has once."""
        return self.name.partition("@")[2]


def outermost(paths: Iterable[str]) -> tuple[str, ...]:
    """These paths, each once, without those that are in a folder which is another one: its content is an input."""
    found = dict.fromkeys(paths)
    return tuple(path for path in found if not any(path.startswith(f"{other}/") for other in found))
