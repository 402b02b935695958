"""Checkouts of one small project that share a cache; their steps are done by fake_step.py."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import fake_project

from etbuild.build_engine.step import Step
from etbuild.build_engine.workspace import Workspace

STEP = Step("export:r", ("--x", "1"), (Path("model.py"),), (Path("build/r/a.bin"), Path("build/r/folder")))
TRACED = Step(
    "export:r",
    ("--traced",),
    (Path("model.py"),),
    (Path("build/r/a.bin"), Path("build/r/deps.json")),
    depfile=Path("build/r/deps.json"),
)


@dataclass(frozen=True)
class Machine:
    """A user's cache folder, and the checkouts that use it."""

    base: Path

    @property
    def store(self) -> Path:
        return self.base / "cache"

    def checkout(self, name: str) -> Workspace:
        """A fresh checkout; every one has the same files."""
        root = self.base / name
        root.mkdir()
        (root / "model.py").write_text("one")
        (root / "blocks.py").write_text("1")
        return fake_project.workspace(str(root / "dodo.py"))

    def scripted(self, name: str, script: str) -> Workspace:
        """A fresh checkout whose every step is this Python; `project` is its root."""
        space = self.checkout(name)
        code = f"from pathlib import Path\nproject = Path({str(space.root)!r})\n{script}"
        return Workspace(space.root, lambda step: [sys.executable, "-S", "-c", code], lambda step: {})

    def behave(self, how: str = "", imports: tuple[str, ...] = ()) -> None:
        """What export:r does from now on; imports: what its depfile names, where it exists."""
        (self.base / "control.json").write_text(json.dumps({"export:r": how, "imports": imports}))

    @property
    def runs(self) -> int:
        """How many processes were started so far."""
        ran = self.base / "ran"
        return len(ran.read_text().splitlines()) if ran.exists() else 0

    def kept(self, kind: str) -> list[Path]:
        """The files of a kind in the store."""
        return sorted(path for path in (self.store / "v1" / kind).rglob("*") if path.is_file())


def outputs(space: Workspace) -> dict[str, bytes]:
    """Every file that steps have left in a checkout."""
    base = space.root / "build/r"
    return {path.relative_to(base).as_posix(): path.read_bytes() for path in base.rglob("*") if path.is_file()}
