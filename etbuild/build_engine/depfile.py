"""Reads the depfile of a step: what its run has read, as the step's program saw it. It knows no program.

JSON: {"inputs": [path, ...], "opened": {path: digest}, "facts": {name: value}, "untracked": [text, ...]}; all but
"inputs" may be missing. Names of facts are those of etbuild.system.facts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from etbuild.errors import StepError

if TYPE_CHECKING:
    from etbuild.build_engine.step import Step


class Depfile(NamedTuple):
    """What a run has read.

    discovered: names of files and facts beyond the step's inputs, sorted.
    seen:       the digest or value that the run has seen, by name, also of the step's inputs.
    untracked:  one text for each read that cannot be compared later.
    """

    discovered: tuple[str, ...] = ()
    seen: Mapping[str, str] = {}
    untracked: tuple[str, ...] = ()


def read_depfile(step: Step, folder: Path) -> Depfile:
    """The depfile that a run has written below the folder; an empty one for a step without.

    raises: StepError when it is not one.
    """
    if not step.depfile:
        return Depfile()
    try:
        data = json.loads((folder / step.depfile).read_text())
        facts = {str(name): str(value) for name, value in data.get("facts", {}).items()}
        seen = {str(name): str(value) for name, value in data.get("opened", {}).items()} | facts
        discovered = ({str(path) for path in data["inputs"]} | set(facts)) - set(step.inputs)
        return Depfile(tuple(sorted(discovered)), seen, tuple(str(text) for text in data.get("untracked", ())))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StepError(f'{step.name}: {step.depfile}: got {error}, wanted {{"inputs": [path, ...]}}') from error
