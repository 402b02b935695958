"""A project of real recipes, a real plan and real doit whose steps are done by fake_step.py."""

import dataclasses
import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from etbuild.build_engine.step import Step
from etbuild.build_engine.workspace import Workspace

FAKE_STEP = Path(__file__).with_name("fake_step.py")


def versions(step: Step) -> dict[str, str]:
    """1.0 of every tool, but for those that FAKE_VERSIONS (JSON) names."""
    changed = json.loads(os.environ.get("FAKE_VERSIONS", "{}"))
    return {name: changed.get(name, "1.0") for name in step.tools}


def workspace(dodo: str, versions: Callable[[Step], Mapping[str, str]] = versions) -> Workspace:
    """A workspace whose steps are done by the fake process."""
    return Workspace(Path(dodo).resolve().parent, _command, versions)


def _command(step: Step) -> list[str]:
    return [sys.executable, "-S", str(FAKE_STEP), json.dumps(dataclasses.asdict(step), default=str)]


def _full(self: Path, target: Path) -> Path:
    raise OSError(28, "No space left on device", str(target))


if os.environ.get("FAKE_DISK") == "full":
    Path.replace = _full  # type: ignore[method-assign,assignment]
