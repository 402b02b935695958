"""Step lint: what in a model and its recipe costs time, memory or accuracy. It compiles only to measure a patch.

build/<recipe>/: lint.json (findings, and where each operator runs), lint.sarif, lint/<n>.patch for those with a patch;
lint_deps.json: what code of the user in the recipe has read.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etbuild import __version__
from etbuild.compile import custom_operators
from etbuild.compile.exclusions import Exclusions
from etbuild.compile.passes import Passes
from etbuild.compile.tracked_code import UserCode
from etbuild.errors import exit_code_of
from etbuild.lint.finding import in_order
from etbuild.lint.part import Part
from etbuild.recipe.data_sections import Quantize
from etbuild.recipe.program_sections import POINTS_OF_QUANTIZE, Exclude, Partition, Pass
from etbuild.recipe.rewrite_sections import Rewrite
from etbuild.report.lint_text import lint_text
from etbuild.steps.options import from_section, option, parse, plan, reads, writes

if TYPE_CHECKING:
    from etbuild.build_engine.step import Step
    from etbuild.recipe.recipe import Recipe

TOOLS = ("torch", "torchao", "executorch", "ethos-u-vela")


@dataclass(frozen=True, kw_only=True)
class Options:
    """The command-line options. doit adds --budget if the user gives it."""

    recipe: str = option("its name")
    recipe_file: tuple[Path, ...] = option("the recipe's files, its own first; later ones are those that it extends")
    part: tuple[Part, ...] = option("variant,profile,npu,region,bytes of a target with an NPU; of its scratch", ())
    source: Path | None = option("the model's source, if it has one", None)
    entry: str = option("the factory in it", "")
    io: str = from_section(Quantize, "io")
    rules: tuple[str, ...] = from_section(Rewrite, "rules")
    operators: tuple[Path, ...] = reads("files that register operators of the user: .py or .so", ())
    passes: tuple[Pass, ...] = option("at:source:entry of a pass at edge", (), option="--pass")
    exclude: tuple[Exclude, ...] = from_section(Partition, "exclude")
    folder: Path = option("build/<recipe>")
    output: Path = writes("lint.json")
    sarif: Path = writes("lint.sarif")
    patches: Path = writes("folder for <n>.patch")
    depfile: Path = writes("lint_deps.json: the files that operators and passes read")
    budget: str = option("seconds that patches may be built for, to measure what they bring", "")


def step(recipe: Recipe) -> Step | None:
    if recipe.model.methods:
        return None  # It shows the program of one method.
    folder = Path("build") / recipe.name
    board = recipe.runtime.board if recipe.runtime else None
    parts = tuple(Part.of(target, board) for target in recipe.targets if target.npu != "none")
    own = [file for file in recipe.files if file.suffix in (".yaml", ".yml") and file.parts[:1] == ("recipes",)]
    passes = tuple(one for one in recipe.passes if one.at not in POINTS_OF_QUANTIZE)
    options = Options(
        recipe=recipe.name,
        recipe_file=tuple(own),
        part=parts,
        source=recipe.model.source,
        entry=recipe.model.entry or "",
        io=recipe.quantize.io,
        rules=recipe.rewrite.rules,
        operators=recipe.operator_files,
        passes=passes,
        exclude=recipe.partition.exclude,
        folder=folder,
        output=folder / "lint.json",
        sarif=folder / "lint.sarif",
        patches=folder / "lint",
        depfile=folder / "lint_deps.json",
    )
    profiles = dict.fromkeys(part.profile for part in parts)
    programs = [folder / profile / "quantized.pt2" for profile in profiles]
    inputs = [*programs, *own, *([recipe.model.source] if recipe.model.source else ()), *(one.source for one in passes)]
    return plan(f"lint:{recipe.name}", options, TOOLS, inputs=inputs, depfile=options.depfile, local=True)


def main(argv: Sequence[str]) -> int:
    options = parse(Options, argv, "etbuild.steps.lint", __doc__)
    from etbuild.lint.check import Trial, findings, with_effects
    from etbuild.lint.document import document, write_patches
    from etbuild.lint.sarif import log

    code, found, operators = UserCode(), list[Any](), {}
    for profile in dict.fromkeys(part.profile for part in options.part):
        subject = _subject(options, profile, code)
        found += findings(subject)
        operators[profile] = subject.operators
    names = [file.as_posix() for file in options.recipe_file]
    tried = Trial(options.recipe, names, options.folder / "trials", options.budget)
    last = with_effects(in_order(found), tried, options.part)
    write_patches(last, options.patches)
    data = document(options.recipe, last, operators)
    options.output.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    sarif = log(last, __version__, options.recipe_file[0].as_posix())
    options.sarif.write_text(json.dumps(sarif, indent=1) + "\n", encoding="utf-8")
    code.write_depfile(options.depfile, [*options.operators, *(one.source for one in options.passes)])
    print(lint_text(data))
    return 0


def _subject(options: Options, profile: str, code: UserCode) -> Any:
    from etbuild.compile import compiler_imports
    from etbuild.compile.decisions import decide
    from etbuild.compile.exported_program import load_program
    from etbuild.lint.graph import Subject

    compiler_imports.load_executorch()
    custom_operators.register(options.operators, code.operators)
    file = options.folder / profile / "quantized.pt2"
    exclusions = Exclusions(options.exclude) if options.exclude else None
    # A program is a graph of objects that live on; collecting among them takes a twentieth of the time.
    with compiler_imports.garbage_collector_off():
        made = decide(load_program(file), profile, file, Passes(options.passes, code), exclusions)
    own, source = options.recipe_file[0], options.source
    return Subject(
        profile,
        tuple(part for part in options.part if part.profile == profile),
        made.program,
        made.operators,
        (own.as_posix(), own.read_text(encoding="utf-8")),
        (source.as_posix(), source.read_text(encoding="utf-8")) if source else None,
        options.entry,
        options.io,
        options.rules,
    )


if __name__ == "__main__":
    sys.exit(exit_code_of(main, sys.argv[1:]))
