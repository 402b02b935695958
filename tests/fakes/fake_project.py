"""A project of real recipes, a real plan and real doit whose steps are done by fake_step.py."""

import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from etbuild.build_engine.execute import Executor
from etbuild.build_engine.step import Step
from etbuild.plan.engine import executor as real_executor

FAKE_STEP = Path(__file__).with_name("fake_step.py")


def versions(step: Step) -> dict[str, str]:
    """1.0 of every tool, but for those that FAKE_VERSIONS (JSON) names."""
    changed = json.loads(os.environ.get("FAKE_VERSIONS", "{}"))
    return {name: changed.get(name, "1.0") for name in step.tools}


def executor(dodo: str, versions: Callable[[Step], Mapping[str, str]] = versions) -> Executor:
    """An executor whose steps are done by the fake process."""
    return real_executor(Path(dodo).resolve().parent, _command, versions)


def _command(step: Step) -> list[str]:
    return [sys.executable, "-S", str(FAKE_STEP), json.dumps(step._asdict())]


def _full(self: Path, target: Path) -> Path:
    raise OSError(28, "No space left on device", str(target))


if os.environ.get("FAKE_DISK") == "full":
    Path.replace = _full  # type: ignore[method-assign,assignment]
