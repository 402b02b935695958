"""The build engine with etbuild's own steps and compile server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from etbuild.build_engine.execute import Executor
from etbuild.build_engine.launch import Programs
from etbuild.build_engine.workspace import Workspace
from etbuild.steps.kinds import KINDS
from etbuild.steps.server import SERVER

if TYPE_CHECKING:
    from etbuild.build_engine.step import Step


def executor(
    root: Path,
    command: Callable[[Step], list[str]] | None = None,
    versions: Callable[[Step], Mapping[str, str]] | None = None,
) -> Executor:
    """The executor of a project. command, versions: in place of real programs and tools, for tests."""
    return Executor(Workspace(root, KINDS, versions), Programs(KINDS, SERVER, command))
