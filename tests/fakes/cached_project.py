"""Checkouts of one small project that share a cache; their steps are done by fake_step.py."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import fake_project

from etbuild.build_engine.execute import Executor
from etbuild.build_engine.step import Step
from etbuild.plan.engine import executor as real_executor

STEP = Step("export:r", ("--x", "1"), ("model.py",), ("build/r/a.bin", "build/r/folder"))
# A step with a depfile: it reads more than it declares.
TRACED = Step(
    "export:r", ("--traced",), ("model.py",), ("build/r/a.bin", "build/r/deps.json"), depfile="build/r/deps.json"
)

# A checkout on a machine of its own, by its name.
Elsewhere = Callable[[str], Executor]


@dataclass(frozen=True)
class Machine:
    """A user's cache folder, and the checkouts that use it."""

    base: Path

    @property
    def store(self) -> Path:
        return self.base / "cache"

    def checkout(self, name: str) -> Executor:
        """A fresh checkout; every one has the same files."""
        root = self.base / name
        root.mkdir()
        (root / "model.py").write_text("one")
        (root / "blocks.py").write_text("1")
        return fake_project.executor(str(root / "dodo.py"))

    def scripted(self, name: str, script: str) -> Executor:
        """A fresh checkout each of whose steps is this Python; `project` is its root."""
        root = self.checkout(name).workspace.root
        code = f"from pathlib import Path\nproject = Path({str(root)!r})\n{script}"
        return real_executor(root, lambda step: [sys.executable, "-S", "-c", code], lambda step: {})

    def behave(self, how: str = "", imports: tuple[str, ...] = ()) -> None:
        """What export:r does from now on; imports: what its depfile names, where it exists."""
        (self.base / "control.json").write_text(json.dumps({"export:r": how, "imports": imports}))

    @property
    def runs(self) -> int:
        """How many processes were started so far."""
        ran = self.base / "ran"
        return len(ran.read_text().splitlines()) if ran.exists() else 0

    def stored(self, kind: str = "") -> list[Path]:
        """The files of a kind in the store; of all kinds without one."""
        return stored_files(self.store, kind)


def stored_files(folder: Path, kind: str = "") -> list[Path]:
    """The files of a kind in a store; of all kinds without one."""
    return sorted(path for path in (folder / "v1" / kind).rglob("*") if path.is_file())


def outputs(checkout: Executor) -> dict[str, bytes]:
    """Every file that steps have left in a checkout."""
    base = checkout.workspace.root / "build/r"
    return {path.relative_to(base).as_posix(): path.read_bytes() for path in base.rglob("*") if path.is_file()}
