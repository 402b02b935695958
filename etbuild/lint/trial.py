"""Builds a recipe with a patch, in a folder beside the project, by doit and its cache, and compares the figures.

The folder has links to the files of the project, and patched copies of those that the patch changes: nothing of the
project is written, and what the patch does not touch comes from the build cache.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from etbuild.errors import StepError
from etbuild.lint.edits import applied
from etbuild.lint.finding import Edit, Effect, Figure
from etbuild.report.figures import read_json, read_manifest_and_vela, variant_figures
from etbuild.system import environment

DODO = "from etbuild.tasks import Project\n\nproject = Project(__file__)\nDOIT_CONFIG = project.doit_config\n"
NAMES = ("cycles", "sram_bytes", "flash_bytes", "pte_bytes", "npu_share")
GRACE_S = 10.0


class Built(NamedTuple):
    """What one build of a variant gives: figures by name, each with value, unit and kind, and what failed after it."""

    figures: Mapping[str, Mapping[str, object]]
    note: str = ""


class Trials:
    """Builds of one recipe within a budget of seconds.

    project: the folder with the files of the project, or links to them.
    recipes: the recipe's own files, relative to it: no other recipe is planned.
    folder:  for the builds.
    """

    def __init__(self, recipe: str, recipes: Sequence[str], project: Path, folder: Path, budget_s: float) -> None:
        self._recipe, self._recipes, self._project, self._folder = recipe, recipes, project, folder
        self._end = time.monotonic() + budget_s
        self._builds = 0
        self._base: dict[tuple[str, str], Built | str] = {}

    def effect(self, edits: Iterable[Edit], variant: str, profile: str) -> Effect:
        """What the edits bring to one variant, measured by a build without and one with them."""
        before = self._base.get((variant, profile))
        if before is None:
            before = self._base[variant, profile] = self._build((), variant, profile)
        after = before if isinstance(before, str) else self._build(edits, variant, profile)
        if isinstance(before, str) or isinstance(after, str):
            return Effect(f"not measured: {before if isinstance(before, str) else after}", variant)
        return Effect("measured", variant, tuple(_figures(before, after)), after.note)

    def _build(self, edits: Iterable[Edit], variant: str, profile: str) -> Built | str:
        """The build's figures; the reason for people when there is none."""
        left = self._end - time.monotonic()
        if left <= 0:
            return "the budget is used up"
        root = self._folder / str(self._builds)
        self._builds += 1
        link_project(self._project, root, self._recipes, edits)
        names = [f"pte:{self._recipe}@{variant}", f"golden:{self._recipe}@{profile}"]
        command = [sys.executable, "-m", "doit", "-c", *names]
        log = root.with_suffix(".log")
        with log.open("wb") as file:
            process = subprocess.Popen(
                command, cwd=root, env=environment.step_environment(), stdout=file, stderr=subprocess.STDOUT
            )
            try:
                process.wait(left)
            except subprocess.TimeoutExpired:
                return "the budget is used up"
            finally:
                _end(process)
        built = _read(root / "build" / self._recipe, variant, profile)
        if built is None:
            return f"the build failed: {_failure(log)}"
        return built._replace(note=f"but the build fails: {_failure(log)}") if process.returncode else built


def link_project(project: Path, root: Path, recipes: Sequence[str], edits: Iterable[Edit]) -> None:
    """Fill `root` with links to the project's files, and with patched copies. recipes: as of Trials."""
    root.mkdir(parents=True)
    (root / "dodo.py").write_text(DODO, encoding="utf-8")
    patched = applied(project, edits)
    top = {Path(name).name for name in recipes}
    for entry in sorted(project.iterdir()):
        if not entry.name.startswith(".") and entry.name not in ("build", "dodo.py"):
            _link(entry, root / entry.name, [Path(name) for name in patched], top)
    for name, text in patched.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        file.write_text(text, encoding="utf-8")


def _link(entry: Path, to: Path, patched: Iterable[Path], recipes: set[str], depth: int = 1) -> None:
    """Link one entry; a folder is made anew where the sandbox did, for a patched file, and for recipes/."""
    inside = [file for file in patched if len(file.parts) > depth and file.parts[depth - 1] == to.name]
    is_recipes = depth == 1 and to.name == "recipes"
    if not entry.is_dir() or not (inside or is_recipes or not entry.is_symlink()):
        to.symlink_to(entry.resolve())
        return
    to.mkdir()
    for child in sorted(entry.iterdir()):
        if is_recipes and child.suffix in (".yaml", ".yml") and child.name not in recipes:
            continue
        _link(child, to / child.name, inside, recipes, depth + 1)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End doit, which ends its steps, if it still runs."""
    if process.poll() is not None:
        return
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(GRACE_S)
        return
    process.kill()
    process.wait()


def _read(folder: Path, variant: str, profile: str) -> Built | None:
    """The figures in a recipe's folder; None where a step has not written them."""
    try:
        found = variant_figures(*read_manifest_and_vela(folder / variant))
        figures = {name: found[name] for name in NAMES if name in found}
        golden = folder / profile / "golden.json"
        outputs = read_json(golden)["outputs"] if golden.exists() else []
    except StepError:
        return None
    errors = [one["reference_to_float"]["sqnr_db"] for one in outputs if one.get("reference_to_float")]
    if errors and None not in errors:
        figures["sqnr_db"] = {"value": min(errors), "unit": "dB", "kind": "exact"}
    return Built(figures)


def _failure(log: Path) -> str:
    """The first line of an error in doit's output, that of the first step that failed, or the last line."""
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines()]
    said = [line.removeprefix("| ") for line in lines if line.startswith("| ") and "WARNING" not in line]
    errors = [line for line in said if ": got " in line]
    failed = [after for line, after in pairwise(lines) if line.endswith(" FAILED")]
    return (errors or failed or lines[-1:] or ["it printed nothing"])[0]


def _figures(before: Built, after: Built) -> Iterable[Figure]:
    for name, old in before.figures.items():
        new = after.figures.get(name)
        if new is not None:
            unit, kind = str(old["unit"]), str(old["kind"])
            yield Figure(name, unit, kind, float(str(old["value"])), float(str(new["value"])))
