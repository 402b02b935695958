"""`etbuild history`: the figures of a recipe over the commits. It builds nothing: `doit history:R` does before.

The figures of a commit are in its git note, since they are known only after the commit; no file of the project changes.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from etbuild.errors import UsageError
from etbuild.report.compared_build import FIGURES, build_of_variant
from etbuild.report.history import Figures, Point, history_json, history_text, variants_in, with_recipe
from etbuild.system import git

# How far back commits are looked at.
MOST_COMMITS = 5000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", metavar="RECIPE")
    parser.add_argument("--figure", metavar="NAME", action="append", default=[], help="only these")
    parser.add_argument("--record", action="store_true", help="first write the built figures into the commit's note")
    parser.add_argument("--json", action="store_true", help="print JSON, for other programs")


def run(arguments: argparse.Namespace) -> int:
    """raises: UsageError outside of a repository, for an unknown figure and for a recipe without figures."""
    project, recipe = Path.cwd(), arguments.recipe
    if not git.is_repository(project):
        raise UsageError(f"{project}: got no git repository, wanted one: figures belong to its commits")
    for name in arguments.figure:
        if name not in FIGURES:
            raise UsageError(f"--figure: got {name!r}, wanted one of {', '.join(FIGURES)}")
    now = _built(recipe) if arguments.record else None
    remark = _record(project, recipe, now) if now else ""
    points = _points(project, recipe)
    if now and remark:
        points.append(Point("", int(time.time()), "", now.variants))
    points = [_only(point, arguments.figure) for point in points]
    if not points:
        remedy = f"doit history:{recipe} builds it, and records its figures"
        raise UsageError(f"{recipe}: got no commit with its figures, wanted one\n    {remedy}")
    if arguments.json:
        print(json.dumps(history_json(recipe, points), indent=1))
    else:
        print(f"{history_text(recipe, points)}{remark}", end="")
    return 0


def _built(recipe: str) -> Point:
    """What the build has of a recipe."""
    folders = sorted(file.parent for file in Path("build", recipe).glob("*/manifest.json"))
    if not folders:
        raise UsageError(f"build/{recipe}: got no manifest.json below it, wanted a build\n    doit report:{recipe}")
    variants = {folder.name: build_of_variant(folder, recipe).figures for folder in folders}
    return Point("", 0, "", variants)


def _record(project: Path, recipe: str, built: Point) -> str:
    """Write the note of the current commit; why not, where the build is of no commit."""
    changed = git.changed_files(project)
    if changed:
        names = ", ".join(changed[:3]) + (" ..." if len(changed) > 3 else "")
        return f"not recorded: not as in the commit: {names}\n"
    commit = git.commit_of(project, "HEAD")
    note = git.note_of(project, commit)
    text = with_recipe(note, recipe, built.variants)
    if text.strip() != note.strip():
        git.write_note(project, commit, text)
    return ""


def _points(project: Path, recipe: str) -> list[Point]:
    found = []
    for commit, time_s, subject, note in git.noted_commits(project, MOST_COMMITS):
        variants = variants_in(note, recipe, f"{git.NOTES} of {commit[:9]}")
        if variants:
            found.append(Point(commit, time_s, subject, variants))
    return found


def _only(point: Point, names: list[str]) -> Point:
    """The point with some figures, or all."""
    if not names:
        return point
    variants: dict[str, Figures] = {
        variant: {name: one for name, one in figures.items() if name in names}
        for variant, figures in point.variants.items()
    }
    return Point(point.commit, point.time_s, point.subject, variants)
