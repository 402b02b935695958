"""What a build that has nothing to do costs, against bare doit with the same tasks and the same files.

    python benchmarks/noop.py                 the shipped recipes
    python benchmarks/noop.py --recipes 100   that many recipes, generated

The outputs are made once by a stand-in for the compilers (tests/fakes), since only doing nothing is measured. Both
sides are timed in turns in one run; the figure that counts is the ratio of their medians.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FAKES = ROOT / "tests/fakes"
DODO = """
import sys
sys.path.insert(0, {fakes!r})
from fake_project import workspace
from etbuild.execute import tool_versions
from etbuild.tasks import Project
project = Project(__file__, workspace(__file__, tool_versions))
DOIT_CONFIG = project.doit_config
"""
BARE = """
import json
DOIT_CONFIG = {"backend": "json", "dep_file": "bare.json", "default_tasks": ["build"]}
STEPS = json.load(open("bare_steps.json"))
def task_build():
    for name, inputs, outputs in STEPS:
        yield {"name": name, "actions": [(lambda: None,)], "file_dep": inputs, "targets": outputs}
"""
RECIPE = """# yaml-language-server: $schema=../schemas/recipe.schema.json
model: {{source: models/add.py}}
targets:
  - {{npu: ethos-u55-{macs}, system_config: Ethos_U55_High_End_Embedded, memory_mode: Shared_Sram}}
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipes", type=int, default=0, help="generate this many; 0: the shipped ones")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        count = _lay_out(project, options.recipes)
        steps, files = _build(project)
        ours, bare = _measure(project, options.rounds)
        modules = _imported(project)
    ratio = statistics.median(ours) / statistics.median(bare)
    print(f"{count} recipes, {steps} steps, {files} files, {options.rounds} rounds")
    print(f"etbuild    {_spread(ours)}")
    print(f"bare doit  {_spread(bare)}")
    print(f"ratio      {ratio:.2f}")
    heavy = sorted(modules & {"torch", "numpy", "jsonschema", "yaml", "executorch"})
    print(f"imported while doing nothing, of torch, numpy, jsonschema, yaml, executorch: {', '.join(heavy) or 'none'}")
    return 0


def _lay_out(project: Path, count: int) -> int:
    """Write the project; the number of its recipes."""
    (project / "dodo.py").write_text(DODO.format(fakes=str(FAKES)))
    shutil.copytree(ROOT / "recipes", project / "recipes", ignore=shutil.ignore_patterns("__pycache__"))
    if count:
        for file in (project / "recipes").glob("*.yaml"):
            file.unlink()
        for number in range(count):
            macs = (32, 64, 128, 256)[number % 4]
            (project / f"recipes/generated_{number:03}.yaml").write_text(RECIPE.format(macs=macs))
    return len([file for file in (project / "recipes").glob("*.yaml") if not file.name.startswith("_")])


def _build(project: Path) -> tuple[int, int]:
    """Make all outputs once, settle both databases; steps and distinct files."""
    (project / "control.json").write_text("{}")
    _time(project, [_doit(), "-n", "2"], 1)
    plan = json.loads((project / "build/.etbuild/plan.json").read_text())
    rows = [(row[0].replace(":", "-"), _files(project, row[2]), _files(project, row[3])) for row in plan["steps"]]
    (project / "bare_steps.json").write_text(json.dumps(rows))
    (project / "bare.py").write_text(BARE)
    _time(project, [_doit(), "-f", "bare.py"], 2)
    _time(project, [_doit()], 2)
    return len(rows), len({file for _, inputs, outputs in rows for file in (*inputs, *outputs)})


def _files(project: Path, paths: list[str]) -> list[str]:
    """The files themselves: bare doit cannot depend on a folder."""
    found: list[str] = []
    for path in paths:
        full = project / path
        inside = [full] if full.is_file() else sorted(entry for entry in full.rglob("*") if entry.is_file())
        found += [str(entry.relative_to(project)) for entry in inside]
    return found


def _measure(project: Path, rounds: int) -> tuple[list[float], list[float]]:
    ours: list[float] = []
    bare: list[float] = []
    for _ in range(rounds):
        ours += _time(project, [_doit()], 1)
        bare += _time(project, [_doit(), "-f", "bare.py"], 1)
    return ours, bare


def _time(project: Path, command: list[str], rounds: int) -> list[float]:
    taken = []
    for _ in range(rounds):
        begin = time.perf_counter()
        subprocess.run(command, cwd=project, env=_environment(project), check=True, stdout=subprocess.DEVNULL)
        taken.append(time.perf_counter() - begin)
    return taken


def _imported(project: Path) -> set[str]:
    command = [sys.executable, "-X", "importtime", _doit()]
    done = subprocess.run(command, cwd=project, env=_environment(project), check=True, capture_output=True, text=True)
    return {line.rsplit("|", 1)[-1].strip().partition(".")[0] for line in done.stderr.splitlines() if "|" in line}


def _environment(project: Path) -> dict[str, str]:
    """The user's, with what the stand-in asks for; Python keeps what it compiles, as it does by default."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    told = {"FAKE_CONTROL": str(project / "control.json"), "FAKE_RAN": str(project / "ran"), "ETBUILD_CACHE": "off"}
    return {**kept, **told}


def _doit() -> str:
    return str(Path(sys.executable).with_name("doit"))


def _spread(taken: list[float]) -> str:
    return f"median {statistics.median(taken):.3f} s, {min(taken):.3f} to {max(taken):.3f} s"


if __name__ == "__main__":
    sys.exit(main())
