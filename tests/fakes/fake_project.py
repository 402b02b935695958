"""A project of real recipes, a real plan and real doit whose steps are done by fake_step.py."""

import dataclasses
import json
import os
import sys
from pathlib import Path

from etbuild.execute import Workspace
from etbuild.step import Step

FAKE_STEP = Path(__file__).with_name("fake_step.py")


def workspace(dodo: str) -> Workspace:
    """A workspace with the fake process; FAKE_VERSIONS (JSON) gives the versions of its tools."""
    return Workspace(Path(dodo).resolve().parent, _command, _versions)


def _command(step: Step) -> list[str]:
    return [sys.executable, "-S", str(FAKE_STEP), json.dumps(dataclasses.asdict(step), default=str)]


def _versions(step: Step) -> dict[str, str]:
    changed = json.loads(os.environ.get("FAKE_VERSIONS", "{}"))
    return {name: changed.get(name, "1.0") for name in step.tools}
