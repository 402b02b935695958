"""Ctrl-C before the first step: one line in place of a traceback, as soon as doit has begun to load our modules."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from built_project import DODO, FakeProject
from interrupted_import import at_import_of

LINE = "\ninterrupted: completed steps are kept\n"
# As a shell reports it, or as Python ends itself.
CODES = (130, -signal.SIGINT)


@pytest.mark.parametrize("command", [(), ("why",), ("list",), ("info", "report:net"), ("clean",), ("forget",)])
def test_ctrl_c_while_the_project_is_loaded_is_no_traceback(project: FakeProject, command: tuple[str, ...]) -> None:
    """In the first second, before any step."""
    (project.root / "dodo.py").write_text(f"import os\nos.kill(os.getpid(), {signal.SIGINT:d})\n{DODO}")
    done = project.doit(*command)

    assert done.returncode in CODES
    assert (done.stdout, done.stderr) == ("", LINE)


@pytest.mark.parametrize("command", [(), ("list",)])
@pytest.mark.parametrize(
    "module",
    ["etbuild.build_engine.noop", "etbuild.system.digests", "etbuild.doit_plugin.project", "etbuild.plan.plan"],
)
def test_ctrl_c_while_doit_imports_our_modules_is_no_traceback(
    project: FakeProject, tmp_path: Path, module: str, command: tuple[str, ...]
) -> None:
    """Also before our commands exist: the first module that they import takes care of it."""
    project.environment |= at_import_of(module, tmp_path / "site")
    done = project.doit(*command)

    assert done.returncode in CODES
    assert (done.stdout, done.stderr) == ("", LINE)
