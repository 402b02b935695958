"""What a step leaves in its sandbox when its process has ended: outputs that nothing changes any more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from etbuild.system.files import is_open_for_writing

if TYPE_CHECKING:
    from etbuild.build_engine.step import Step


def open_output(step: Step, sandbox: Path) -> str:
    """A message about an output that a process which the step left behind can still change; "" without one.

    Call it after the outputs were hashed: then a process that changes them while they are hashed is found.
    """
    for path in step.outputs:
        for file in _files(sandbox / path):
            if is_open_for_writing(file):
                return (
                    f"{file.relative_to(sandbox)}: a process that {step.name} left behind has it open for writing\n"
                    "    the model has to wait for the processes that it starts"
                )
    return ""


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from (file for file in path.rglob("*") if file.is_file())
    elif path.exists():
        yield path
