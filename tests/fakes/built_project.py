"""A project of one recipe whose steps are done by fake_step.py: built, changed and built again by real doit.

Its steps, in order: export, quantize, lower, golden, vela, pte, header, run, report.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from etbuild.system.files import write_atomic

FAKES = Path(__file__).parent
RECIPE = """\
# The one recipe.
model:
  source: models/net.py
quantize:
  scheme: int8
  calibration: {data: data/calibration.npz}
targets:
  - npu: ethos-u55-128
    system_config: Ethos_U55_High_End_Embedded
    memory_mode: Shared_Sram
"""
DODO = f"""\
import sys
sys.path.insert(0, {str(FAKES)!r})
from fake_project import executor
from etbuild.tasks import Project
project = Project(__file__, executor(__file__))
DOIT_CONFIG = project.doit_config
"""
PROFILE = {"quantize:net@tosa-u55", "lower:net@tosa-u55", "golden:net@tosa-u55"}
VARIANT = {f"{kind}:net@ethos-u55-128" for kind in ("vela", "pte", "header", "run")}
ALL = {"export:net", *PROFILE, *VARIANT, "report:net"}


@dataclass
class FakeProject:
    """A project below `root`; `doit` runs in it with its environment."""

    root: Path
    environment: dict[str, str] = field(default_factory=lambda: dict(os.environ))

    def __post_init__(self) -> None:
        # The cache has tests of its own: here a step that has to run does run.
        self.environment |= {"ETBUILD_CACHE": "off"}
        self.environment |= {"FAKE_CONTROL": str(self.root / "control.json"), "FAKE_RAN": str(self.root / "ran")}
        if self.recipe.exists():
            return
        self.root.mkdir(exist_ok=True)
        self.behave({})
        for folder in ("recipes/models", "recipes/data"):
            (self.root / folder).mkdir(parents=True)
        (self.root / "dodo.py").write_text(DODO)
        self.recipe.write_text(RECIPE)
        (self.root / "recipes/models/net.py").write_text("# a model")
        (self.root / "recipes/data/calibration.npz").write_bytes(b"samples")

    @property
    def recipe(self) -> Path:
        return self.root / "recipes/net.yaml"

    def behave(self, how: dict[str, object]) -> None:
        # Whole: a hanging step reads it again and again.
        write_atomic(self.root / "control.json", json.dumps(how))

    def command(self, *arguments: str) -> list[str]:
        return [str(Path(sys.executable).with_name("doit")), *arguments]

    def doit(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments), cwd=self.root, env=self.environment, capture_output=True, text=True, check=False
        )

    def ran(self) -> set[str]:
        """The steps whose process ran since the last call."""
        file = self.root / "ran"
        names = file.read_text().split() if file.exists() else []
        file.unlink(missing_ok=True)
        assert len(names) == len(set(names)), f"run twice: {names}"
        return set(names)

    def outputs(self) -> dict[str, bytes]:
        files = sorted(path for path in (self.root / "build/net").rglob("*") if path.is_file())
        return {str(path.relative_to(self.root)): path.read_bytes() for path in files}


def rebuilt(project: FakeProject, *arguments: str) -> set[str]:
    """Build, expecting it to end well; the steps that ran."""
    done = project.doit(*arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return project.ran()


def talked(project: FakeProject, *steps: str, options: tuple[str, ...] = ()) -> tuple[list[str], str]:
    """Build with -v 2 while these steps print: the first line of each, shown while all of them ran, and what doit
    printed in all."""
    project.behave(dict.fromkeys(steps, "talk"))
    process = subprocess.Popen(
        [*project.command(), "-v", "2", *options],
        cwd=project.root,
        env=project.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout
    printed: list[str] = []
    try:
        begun: list[str] = []
        while len(begun) < len(steps):
            line = process.stdout.readline()
            assert line, "".join(printed)
            printed.append(line)
            begun += [line.rstrip()] if line.endswith("| begins\n") else []
        project.behave({})
        printed.append(process.stdout.read())
        assert process.wait() == 0, "".join(printed)
    finally:
        process.kill()
        process.wait()
    return begun, "".join(printed)
