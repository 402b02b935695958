"""Step tune: searches settings of quantisation that give more for less, build/<recipe>/: tune.json, and tune.patch with
the winner's keys of the recipe. It changes no file of the user; what it has tried is in the user's cache.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etbuild.errors import StepError, exit_code_of
from etbuild.hardware.target import Target
from etbuild.recipe.data_sections import Data, Quantize
from etbuild.recipe.model_sections import Export
from etbuild.recipe.rewrite_sections import Rewrite
from etbuild.steps.options import from_section, inline, option, outermost, parse, plan, reads, writes
from etbuild.steps.server import SERVER
from etbuild.system import environment
from etbuild.system.parent import end_with_parent
from etbuild.tune.recipe_patch import leaves_size_open, patch_of

if TYPE_CHECKING:
    from etbuild.build_engine.step import Step
    from etbuild.recipe.recipe import Recipe
    from etbuild.tune.build import Subject
    from etbuild.tune.remote import Machines

TOOLS = ("torch", "torchao", "executorch", "ethos-u-vela", "tosa-tools", "numpy", "c++", "optuna")
FORMAT = 1
BUDGET_S = "60"
SEED = 0


@dataclass(frozen=True, kw_only=True)
class Options:
    """The command-line options. doit adds --budget if the user gives it."""

    recipe: str = option("its name")
    recipe_file: Path = reads("the recipe's own file")
    variant: str = option("the variant whose cycles count")
    profile: str = option("its profile")
    exported: Path = reads("exported.pt2")
    sensitivity: Path = reads("sensitivity.json of the variant")
    target: Target = inline()
    quantize: Quantize = inline()
    export: Export = inline()
    vectors: Data = inline("--vectors")
    rules: tuple[str, ...] = from_section(Rewrite, "rules")
    output: Path = writes("tune.json")
    patch: Path = writes("tune.patch, empty where nothing is better")
    budget: str = option("seconds to search for", BUDGET_S)


def step(recipe: Recipe) -> Step | None:
    targets = [target for target in recipe.targets if target.npu != "none"]
    users = recipe.passes or recipe.operators or recipe.quantize.qat.source or recipe.partition.exclude
    if recipe.model.methods or not targets or users:
        return None  # Its builds run no code of the user.
    folder, target = Path("build") / recipe.name, targets[0]
    options = Options(
        recipe=recipe.name,
        recipe_file=recipe.files[0],
        variant=target.variant,
        profile=target.profile,
        exported=folder / "export" / "exported.pt2",
        sensitivity=folder / target.variant / "sensitivity.json",
        target=target,
        quantize=recipe.quantize,
        export=recipe.export,
        vectors=recipe.vectors,
        rules=recipe.rewrite.rules,
        output=folder / "tune.json",
        patch=folder / "tune.patch",
    )
    return plan(f"tune:{recipe.name}", options, TOOLS, local=True)


def main(argv: Sequence[str]) -> int:
    options = parse(Options, argv, "etbuild.steps.tune", __doc__)
    end = time.monotonic() + float(options.budget)
    end_with_parent()
    from etbuild.compile import compiler_imports

    compiler_imports.load_executorch()
    from etbuild.compile.exported_program import load_program
    from etbuild.compile.weights import equalise
    from etbuild.tune.build import Subject
    from etbuild.tune.candidate import Candidate
    from etbuild.tune.choice import rows_of, winner_of
    from etbuild.tune.narrow import narrow_modules
    from etbuild.tune.progress import Progress
    from etbuild.tune.search import Search, Space
    from etbuild.tune.sensitivity import worst_modules
    from etbuild.tune.study import study_of
    from etbuild.tune.workers import lanes_of

    worst = worst_modules(json.loads(options.sensitivity.read_text()))
    program = load_program(options.exported)
    narrow = narrow_modules(program, options.profile)
    own = options.quantize, options.export, options.vectors, worst, narrow, options.rules
    subject = Subject(options.exported, replace(options.target, profile=options.profile), *own)
    data = (options.quantize.calibration.data, options.vectors.data, options.target.vela.ini)
    files = [Path(file) for file in outermost(map(str, (options.exported, *filter(None, data))))]
    text = options.recipe_file.read_text(encoding="utf-8")
    space = Space(len(worst), leaves_size_open(text), equalise.applies(program.module(check_guards=False)))
    with lanes_of(subject, _machines(options.recipe, subject, files)) as lanes:
        search = Search(study_of(subject, files), lanes.submit, end, Progress(end, _say))
        search.run(space, SEED)
    if (tried := search.tried)[:1] != [Candidate()]:
        got = f"--budget: got {options.budget} seconds, in which the recipe could not be built, wanted more"
        raise StepError(f"{got}\n    doit tune:{options.recipe} --budget 300")
    rows = rows_of(tried, search.study.known)
    if "why" in rows[0]["figures"]:
        raise StepError(f"tune: got a recipe that cannot be built: {rows[0]['figures']['why']}, wanted one that can")
    number = winner_of(rows)
    keys = tried[number].keys(options.quantize, worst, narrow)
    patch = patch_of(options.recipe_file.as_posix(), text, keys) if number else ""
    options.patch.write_text(patch, encoding="utf-8")
    report: dict[str, Any] = {"format": FORMAT, "recipe": options.recipe, "variant": options.variant, "seed": SEED}
    report |= {"tried": rows, "winner": number, "patch": options.patch.as_posix() if patch else None}
    options.output.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0


def _machines(recipe: str, subject: Subject, files: Sequence[Path]) -> Machines | None:
    """The workers of the user's Dask scheduler; None without one, or for files outside of the project."""
    address = environment.scheduler()
    outside = [file for file in files if file.is_absolute()]
    if address and outside:
        _say(f"{outside[0]} is outside of the project, so no worker has it; this machine builds all")
    if address is None or outside:
        return None
    from etbuild.build_engine.dask.cluster import Cluster
    from etbuild.tune.remote import Machines

    say = cache(_say)  # What is said of each group of a worker that was lost, is said once.
    return Machines(Cluster(address, say), recipe, subject, tuple(map(str, files)), TOOLS, SERVER, say)


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(exit_code_of(main, sys.argv[1:]))
