"""What a build that has nothing to do costs, against bare doit with the same tasks and the same files.

    python benchmarks/noop.py                 the shipped recipes
    python benchmarks/noop.py --recipes 100   that many recipes, generated
    python benchmarks/noop.py --recipes 100 --peers    dvc repro and snakemake too, on the same files

Ours is timed twice: doing nothing again, from the no-op cache, and the full decision, without that cache. The figures
that count are the ratios of medians; the exit code is 1 when ours takes more than 1.5 times as long as bare doit either
way, or when a peer is not ten times slower than doing nothing again.

The outputs are made once by a fake of the compilers (tests/fakes), since only doing nothing is measured; the measured
runs use the dodo.py that is shipped. All sides are timed in turns in one run. The peers are installed in an environment
of their own below the temporary folder, and timed three times.
"""

from __future__ import annotations

import argparse
import json
import os
import re
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
from fake_project import executor
from etbuild.build_engine.workspace import ToolVersions
from etbuild.tasks import Project
project = Project(__file__, executor(__file__, ToolVersions()))
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
NOOP_CACHE = "build/.etbuild/noop"
BARE_BAR = 1.5
PEER_BAR = 10.0
PEERS = ("dvc==3.67.1", "snakemake==9.27.1")
PEER_ROUNDS = 3
RULE = """rule {name}:
    input: {inputs}
    output: {outputs}
    shell: "exit 1"
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
    parser.add_argument("--peers", action="store_true", help="install and time dvc and snakemake too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        count = _lay_out(project, options.recipes)
        steps, files = _build(project)
        taken = _measure(project, options.rounds)
        modules = _imported(project)
        peers = _peers(project) if options.peers else {}
    print(f"{count} recipes, {steps} steps, {files} files, {options.rounds} rounds")
    again, bare = statistics.median(taken["again"]), statistics.median(taken["bare doit"])
    passed = True
    for name, times in taken.items():
        ratio = statistics.median(times) / bare
        passed &= ratio <= BARE_BAR or name == "bare doit"
        print(f"{name:<12} {_spread(times)}, {ratio:.2f} times bare doit")
    for name, times in peers.items():
        ratio = statistics.median(times) / again
        passed &= ratio >= PEER_BAR
        print(f"{name:<12} {_spread(times)}, {ratio:.1f} times doing nothing again")
    heavy = sorted(modules & {"torch", "numpy", "jsonschema", "yaml", "executorch"})
    print(f"imported in full, of torch, numpy, jsonschema, yaml, executorch: {', '.join(heavy) or 'none'}")
    if not passed:
        print(f"missed: wanted at most {BARE_BAR} times bare doit, and peers at least {PEER_BAR:g} times ours")
    return 0 if passed else 1


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
    made = [row for row in plan["steps"] if all((project / path).exists() for path in row[3])]
    rows = [(row[0].replace(":", "-"), _files(project, row[2]), _files(project, row[3])) for row in made]
    (project / "bare_steps.json").write_text(json.dumps(rows))
    (project / "bare.py").write_text(BARE)
    _time(project, [_doit(), "-f", "bare.py"], 2)
    shutil.copy(ROOT / "dodo.py", project)
    _settle(project, {row[0] for row in made})
    return len(rows), len({file for _, inputs, outputs in rows for file in (*inputs, *outputs)})


def _files(project: Path, paths: list[str]) -> list[str]:
    """The files themselves: bare doit cannot depend on a folder."""
    found: list[str] = []
    for path in paths:
        full = project / path
        inside = [full] if full.is_file() else sorted(entry for entry in full.rglob("*") if entry.is_file())
        found += [str(entry.relative_to(project)) for entry in inside]
    return found


def _settle(project: Path, steps: set[str]) -> None:
    """Decide until the no-op cache has an entry, in which every step has to be up to date."""
    for _ in range(3):
        command, environment = [_doit()], _environment(project)
        done = subprocess.run(command, cwd=project, env=environment, check=True, capture_output=True, text=True)
        lines = done.stdout.splitlines()
        wrong = [line for line in lines if not line.endswith("up to date")]
        if wrong or {line.split()[0] for line in lines} != steps:
            raise SystemExit(f"got {(wrong or ['steps left out'])[0]!r}, wanted every step up to date")
    if not (project / NOOP_CACHE).exists():
        raise SystemExit("got no entry in the no-op cache, wanted one")


def _measure(project: Path, rounds: int) -> dict[str, list[float]]:
    taken: dict[str, list[float]] = {"again": [], "in full": [], "bare doit": []}
    for _ in range(rounds):
        taken["again"] += _time(project, [_doit()], 1)
        shutil.rmtree(project / NOOP_CACHE)
        taken["in full"] += _time(project, [_doit()], 1)
        taken["bare doit"] += _time(project, [_doit(), "-f", "bare.py"], 1)
    return taken


def _peers(project: Path) -> dict[str, list[float]]:
    """Times of dvc and snakemake for nothing, once they know that every output is right."""
    rows = json.loads((project / "bare_steps.json").read_text())
    programs = project / "peers/bin"
    subprocess.run([sys.executable, "-m", "venv", project / "peers"], check=True)
    subprocess.run([programs / "pip", "install", "-qqq", *PEERS], check=True)
    stages = {_rule(name): {"cmd": "exit 1", "deps": read, "outs": written} for name, read, written in rows}
    (project / "dvc.yaml").write_text(json.dumps({"stages": stages}))
    dvc, snakemake = str(programs / "dvc"), [str(programs / "snakemake"), "--quiet", "all", "--cores", "1"]
    for settle in (["init", "--no-scm", "-q"], ["config", "core.analytics", "false"], ["commit", "-f", "-q"]):
        _time(project, [dvc, *settle], 1)
    everything = [file for _, _, written in rows for file in written]
    rules = [RULE.format(name=_rule(name), inputs=_quoted(read), outputs=_quoted(out)) for name, read, out in rows]
    (project / "Snakefile").write_text(f"rule all:\n    input: {_quoted(everything)}\n" + "".join(rules))
    _time(project, [*snakemake, "--touch"], 1)
    return {
        "dvc repro": _time(project, [dvc, "repro", "-q"], PEER_ROUNDS),
        "snakemake": _time(project, snakemake, PEER_ROUNDS),
    }


def _rule(name: str) -> str:
    """A step's name as both of them take it."""
    return re.sub(r"\W", "_", name)


def _quoted(files: list[str]) -> str:
    return ", ".join(map(repr, files))


def _time(project: Path, command: list[str], rounds: int) -> list[float]:
    taken = []
    for _ in range(rounds):
        begin = time.perf_counter()
        subprocess.run(command, cwd=project, env=_environment(project), check=True, stdout=subprocess.DEVNULL)
        taken.append(time.perf_counter() - begin)
    return taken


def _imported(project: Path) -> set[str]:
    shutil.rmtree(project / NOOP_CACHE)
    command = [sys.executable, "-X", "importtime", _doit()]
    done = subprocess.run(command, cwd=project, env=_environment(project), check=True, capture_output=True, text=True)
    return {line.rsplit("|", 1)[-1].strip().partition(".")[0] for line in done.stderr.splitlines() if "|" in line}


def _environment(project: Path) -> dict[str, str]:
    """The user's, with the variables of fake_step.py; Python writes bytecode, as it does by default."""
    users = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    fakes = {"FAKE_CONTROL": str(project / "control.json"), "FAKE_RAN": str(project / "ran"), "ETBUILD_CACHE": "off"}
    return {**users, **fakes}


def _doit() -> str:
    return str(Path(sys.executable).with_name("doit"))


def _spread(taken: list[float]) -> str:
    return f"median {statistics.median(taken):.3f} s, {min(taken):.3f} to {max(taken):.3f} s"


if __name__ == "__main__":
    sys.exit(main())
