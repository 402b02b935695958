"""Loads recipes from YAML: reads, validates and resolves them. It opens no model and imports no compiler."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from etbuild.config.diagnostics import Diagnostics, Location, quoted
from etbuild.config.paths import ProjectPaths
from etbuild.config.schemas import schema_file
from etbuild.config.section import Reading
from etbuild.config.validate import check
from etbuild.errors import Problem, RecipeError
from etbuild.recipe.extends import read_chain
from etbuild.recipe.resolve import read_recipe
from etbuild.system.environment import variable

if TYPE_CHECKING:
    from etbuild.recipe.recipe import Recipe


class Loaded(NamedTuple):
    """The recipes of a project. broken: the names of those that could not be read; problems: of these."""

    recipes: tuple[Recipe, ...]
    broken: tuple[str, ...]
    problems: tuple[Problem, ...]


def load(path: Path, root: Path, environ: Mapping[str, str]) -> Recipe:
    """The recipe in one file.

    root:    the project's folder; paths of the result are relative to it when inside it, else absolute.
    environ: the environment, for `~`, `$NAME` and `${NAME}` in paths.
    raises:  RecipeError with every problem of the file and of what it extends.
    """
    return _load(path, root, lambda name: environ.get(name) or None)


def load_all(root: Path) -> tuple[Recipe, ...]:
    """Every recipe of a project, by name: recipes/*.yaml except files whose name starts with `_`.

    raises: RecipeError with every problem of every recipe.
    """
    recipes, broken, problems = load_each(root)
    if broken:
        raise RecipeError(problems)
    return recipes


def load_each(root: Path, names: Collection[str] | None = None) -> Loaded:
    """Every recipe of a project that can be read, and the problems of the others. names: of these alone."""
    recipes: list[Recipe] = []
    broken: list[str] = []
    problems: dict[Problem, None] = {}
    folder = root / "recipes"
    for path in sorted([*folder.glob("[!_.]*.yaml"), *folder.glob("[!_.]*.yml")]):
        if names is not None and path.stem not in names:
            continue
        try:
            recipes.append(_load(path, root, variable))
        except RecipeError as error:
            broken.append(path.stem)
            problems |= dict.fromkeys(error.problems)
    return Loaded(tuple(recipes), tuple(broken), tuple(problems))


def _load(path: Path, root: Path, lookup: Callable[[str], str | None]) -> Recipe:
    diagnostics = Diagnostics()
    paths = ProjectPaths(root, lookup)
    file = paths.relative(Path.cwd() / path)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*\.yaml", file.name):
        remedy = "its name is part of task and folder names: letters, digits, _, . and -"
        diagnostics.add(Location(file, 0, 0), (), f"the file name {quoted(file.name)}", "NAME.yaml", remedy)
    chain = read_chain(file, paths, diagnostics)
    recipe = None
    if chain.root is not None:
        bad = check(chain.root, schema_file("recipe"), diagnostics)
        recipe = read_recipe(file.stem, chain.root, chain.files, Reading(diagnostics, paths, bad))
    diagnostics.check(chain.files)
    assert recipe is not None, "a recipe without diagnostics was read"
    return recipe
