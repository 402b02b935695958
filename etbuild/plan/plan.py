"""Recipes to steps, as pure data. The plan is kept between runs and made again only when what it came from changed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from etbuild import PACKAGE
from etbuild.build_engine.step import Step
from etbuild.system import tools
from etbuild.system.atomic import write_whole

if TYPE_CHECKING:
    from etbuild.build_engine.step_sources import Sources
    from etbuild.recipe.recipe import Recipe
    from etbuild.system.digests import Digests

MEMORY = "build/.etbuild/plan.json"

# Read while planning and not Python: a change of these makes the plan again. The schemas lie inside the package when it
# is installed, beside it in a checkout.
TABLES = ("hardware/npus.yaml", "hardware/boards", "schemas", "../schemas")


class Outline(NamedTuple):
    """One recipe as its tasks need it. profiles: the lowering profile of each variant, in the recipe's order."""

    name: str
    profiles: Mapping[str, str]


class Plan(NamedTuple):
    """Every step of a project, producers first."""

    outlines: tuple[Outline, ...]
    steps: tuple[Step, ...]


def plan_of(recipes: Iterable[Recipe]) -> Plan:
    """The steps of the recipes, in the recipes' order."""
    outlines, steps = list[Outline](), list[Step]()
    for recipe in recipes:
        outlines.append(Outline(recipe.name, {target.variant: target.profile for target in recipe.targets}))
        steps += _steps(recipe)
    return Plan(tuple(outlines), tuple(steps))


def load_plan(root: Path, digests: Digests, sources: Sources) -> Plan:
    """The plan of all recipes below root, from memory when nothing that it came from changed.

    raises: RecipeError with every problem of every recipe.
    """
    memory = root / MEMORY
    for looked in (MEMORY, "recipes"):
        digests.note(looked)
    basis = _basis(root, digests, sources)
    kept = _kept(memory, basis, digests)
    if kept is not None:
        return kept
    from etbuild.recipe.load import load_all

    recipes = load_all(root)
    plan = plan_of(recipes)
    _keep(memory, plan, basis, _conditions(recipes, digests))
    return plan


def _steps(recipe: Recipe) -> list[Step]:
    from etbuild.steps import export, firmware, golden, header, lower, pte, quantize, report, run, sweep, vela

    steps = [export.step(recipe)]
    for profile in recipe.profiles:
        steps += [quantize.step(recipe, profile), lower.step(recipe, profile), golden.step(recipe, profile)]
    for target in recipe.targets:
        if target.npu != "none":
            steps.append(vela.step(recipe, target))
        steps += [pte.step(recipe, target), header.step(recipe, target)]
        if recipe.runtime:
            steps.append(firmware.step(recipe, target))
        if recipe.run.on != "none":
            steps.append(run.step(recipe, target))
    return [*steps, report.step(recipe), sweep.step(recipe)]


def _basis(root: Path, digests: Digests, sources: Sources) -> dict[str, object]:
    """What every plan of this project depends on: our own source, the tables, which recipes there are."""
    return {
        "source": sources.of("etbuild.plan.plan"),
        "tables": {name: digests.of(PACKAGE / name) for name in TABLES},
        "recipes": sorted(file.name for file in (root / "recipes").glob("*.y*ml")),
    }


def _conditions(recipes: Iterable[Recipe], digests: Digests) -> dict[str, object]:
    files = {str(file): digests.of(file) for recipe in recipes for file in recipe.files}
    return {"files": files, "env": {name: value for recipe in recipes for name, value in recipe.env}}


def _kept(memory: Path, basis: Mapping[str, object], digests: Digests) -> Plan | None:
    try:
        data = json.loads(memory.read_bytes())
        if (
            data["basis"] != basis
            or any(digests.of(file) != digest for file, digest in data["files"].items())
            or any((tools.variable(name) or "") != value for name, value in data["env"].items())
        ):
            return None
        outlines = tuple(Outline(name, profiles) for name, profiles in data["outlines"])
        return Plan(outlines, tuple(_step(*row) for row in data["steps"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _keep(memory: Path, plan: Plan, basis: Mapping[str, object], conditions: Mapping[str, object]) -> None:
    data = {
        "basis": basis,
        **conditions,
        "outlines": [(outline.name, outline.profiles) for outline in plan.outlines],
        "steps": [
            (
                step.name,
                step.argv,
                step.reads,
                step.writes,
                step.tools,
                str(step.depfile) if step.depfile else None,
            )
            for step in plan.steps
        ],
    }
    with suppress(OSError):  # A plan that cannot be kept is made again.
        write_whole(memory, json.dumps(data, separators=(",", ":")))


def _step(
    name: str, argv: list[str], reads: list[str], writes: list[str], tools_used: list[str], depfile: str | None
) -> Step:
    return Step.kept(
        name=name,
        argv=tuple(argv),
        reads=tuple(reads),
        writes=tuple(writes),
        tools=tuple(tools_used),
        depfile=Path(depfile) if depfile else None,
    )
