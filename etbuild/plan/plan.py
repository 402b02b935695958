"""From recipes to steps, as data; cached between runs until something that the plan depends on changes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from etbuild import PACKAGE
from etbuild.build_engine.step import Step
from etbuild.errors import RecipeError
from etbuild.steps.kinds import KINDS, steps_of
from etbuild.system import environment
from etbuild.system.files import kind_of, write_atomic

if TYPE_CHECKING:
    from etbuild.build_engine.step_sources import StepSources
    from etbuild.errors import Problem
    from etbuild.recipe.recipe import Recipe
    from etbuild.system.digests import Digests

CACHE_FILE = "build/.etbuild/plan.json"
# The last plan of this user, in the cache folder: a checkout without one, of the same recipes, begins with it.
USERS_FILE = "plan.json"

# Data files read while planning. The schemas are inside the package when it is installed, next to it in a checkout.
DATA = ("hardware/npus.yaml", "hardware/boards", "schemas", "../schemas")


class Outline(NamedTuple):
    """One recipe as its tasks need it.

    profiles: the lowering profile of each variant, in the recipe's order.
    files:    that the recipe was read from.
    """

    name: str
    profiles: Mapping[str, str]
    files: tuple[str, ...] = ()


class Plan(NamedTuple):
    """Every step of a project, producers first.

    broken:   the recipes that could not be read, by name; they have no steps.
    problems: of those recipes.
    """

    outlines: tuple[Outline, ...]
    steps: tuple[Step, ...]
    broken: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


def plan_of(recipes: Iterable[Recipe]) -> Plan:
    """The steps of the recipes, in the recipes' order."""
    outlines, steps = list[Outline](), list[Step]()
    for recipe in recipes:
        profiles = {target.variant: target.profile for target in recipe.targets}
        outlines.append(Outline(recipe.name, profiles, tuple(file.as_posix() for file in recipe.files)))
        steps += steps_of(recipe)
    return Plan(tuple(outlines), tuple(steps))


def load_plan(root: Path, digests: Digests, sources: StepSources) -> Plan:
    """The plan of all recipes below root; of recipes of which nothing has changed that of the cache file.

    raises: RecipeError with every problem of every recipe, if none could be read.
    """
    file, users_file = root / CACHE_FILE, environment.cache_folder() / USERS_FILE
    if not file.exists():
        with suppress(OSError, ValueError):  # Whether it fits is asked below.
            write_atomic(file, users_file.read_text(encoding="utf-8"))
    for examined in (CACHE_FILE, "recipes"):
        digests.record_stat(examined)
    common = _common_dependencies(root, digests, sources)
    cached, environ = _read(file, common, (root, digests))
    # In the order of their files, in which recipes are planned.
    names = [Path(name).stem for name in common["recipes"] if name[0] not in "_."]
    changed = set(names).difference(outline.name for outline in cached.outlines)
    if names and not changed:
        return cached
    from etbuild.recipe.load import load_each

    recipes, broken, problems = load_each(root, changed)
    if broken and not recipes and not cached.outlines:
        raise RecipeError(problems)
    plan = _merged(names, cached, plan_of(recipes))
    if broken:
        return plan._replace(broken=broken, problems=problems)
    files = {path: digests.of(path) for outline in plan.outlines for path in outline.files}
    environ |= {name: value for recipe in recipes for name, value in recipe.env}
    text = _as_text(plan, common, {"files": files, "env": environ, "named": _named_files(root, plan)})
    for kept in (file, users_file):
        with suppress(OSError):  # A plan that cannot be stored is computed again.
            write_atomic(kept, text)
    return plan


def _merged(names: Iterable[str], *plans: Plan) -> Plan:
    """The plans of different recipes as one, in the order of names."""
    outlines = {outline.name: outline for plan in plans for outline in plan.outlines}
    steps: dict[str, list[Step]] = {name: [] for name in outlines}
    for plan in plans:
        for step in plan.steps:
            steps[step.recipe].append(step)
    found = [name for name in names if name in outlines]
    return Plan(tuple(outlines[name] for name in found), tuple(step for name in found for step in steps[name]))


def _common_dependencies(root: Path, digests: Digests, sources: StepSources) -> dict[str, Any]:
    """What every plan of this project depends on: our own source, data files, which recipes exist."""
    modules = ("etbuild.plan.plan", *(kind.module for kind in KINDS.values()))
    return {
        "source": {module: sources.of(module) for module in modules},
        "data": {name: digests.of(PACKAGE / name) for name in DATA},
        "recipes": sorted(file.name for file in (root / "recipes").glob("*.y*ml")),
    }


def _named_files(root: Path, plan: Plan) -> dict[str, str]:
    """What is at each path that a recipe names as an input: another plan, or a message, when that changes."""
    made = {path for step in plan.steps for path in step.outputs}
    named = dict.fromkeys(path for step in plan.steps for path in step.inputs if path not in made)
    return {path: kind_of(root / path) for path in named}


def _read(file: Path, common: Mapping[str, object], project: tuple[Path, Digests]) -> tuple[Plan, dict[str, str]]:
    """The cached plan of the recipes of which nothing has changed, and the variables of the environment it depends on.

    project: its root and digests.
    """
    root, digests = project
    try:
        data = json.loads(file.read_bytes())
        if (
            data["common"] != common
            or any((environment.variable(name) or "") != value for name, value in data["env"].items())
            or any(kind_of(root / path) != kind for path, kind in data["named"].items())
        ):
            return Plan((), ()), {}
        outlines = tuple(Outline(name, profiles, tuple(files)) for name, profiles, files in data["outlines"])
        plan = Plan(outlines, tuple(_step(*row) for row in data["steps"]))
        stale = {path for path, digest in data["files"].items() if digests.of(path) != digest}
        if stale:
            kept = {outline.name for outline in outlines if stale.isdisjoint(outline.files)}
            steps = tuple(step for step in plan.steps if step.recipe in kept)
            plan = Plan(tuple(outline for outline in outlines if outline.name in kept), steps)
        return plan, dict(data["env"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Plan((), ()), {}


def _as_text(plan: Plan, common: Mapping[str, object], conditions: Mapping[str, object]) -> str:
    data = {"common": common, **conditions, "outlines": plan.outlines, "steps": plan.steps}
    return json.dumps(data, separators=(",", ":"))


def _step(
    name: str, argv: list[str], inputs: list[str], outputs: list[str], tools_used: list[str], depfile: str, local: bool
) -> Step:
    return Step(name, tuple(argv), tuple(inputs), tuple(outputs), tuple(tools_used), depfile, local)
