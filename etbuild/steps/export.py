"""Step export: the model as an exported program, build/<recipe>/export/exported.pt2. It quantises and lowers nothing.

The float program, captured once for all targets, with a list of what the model read.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from etbuild.errors import exit_code_of
from etbuild.recipe.method_files import exported_file
from etbuild.recipe.model_sections import Export, Model
from etbuild.steps.options import inline, parse, plan, reads, writes
from etbuild.system.provenance import settings

if TYPE_CHECKING:
    from etbuild.build_engine.step import Step
    from etbuild.recipe.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Options:
    """The command-line options."""

    model: Model = inline()
    operators: tuple[Path, ...] = reads(
        "files that register operators of the user: .py or .so", (), option="--operators"
    )
    export: Export = inline()
    output: Path = writes("exported.pt2; with methods a folder with one a method")
    depfile: Path = writes("deps.json: the files that the model read")


def step(recipe: Recipe) -> Step:
    folder = Path("build") / recipe.name / "export"
    files = {"output": exported_file(recipe), "depfile": folder / "deps.json"}
    options = Options(model=recipe.model, operators=recipe.operator_files, export=recipe.export, **files)
    tools = ("torch", "safetensors", *(("executorch",) if recipe.model.builtin else ()))
    inputs = [*(spec.file for spec in recipe.model.inputs if spec.file), *recipe.model.reads]
    return plan(f"export:{recipe.name}", options, tools, inputs=inputs, depfile=options.depfile)


def main(argv: Sequence[str]) -> int:
    options = parse(Options, argv, "etbuild.steps.export", __doc__)
    from etbuild.compile import compiler_imports
    from etbuild.compile.custom_operators import import_file, register
    from etbuild.compile.depfile import Reads, write_depfile
    from etbuild.compile.exported_program import save_program
    from etbuild.compile.exporting import export, export_methods
    from etbuild.compile.methods import file_of, new_folder
    from etbuild.compile.user_code import import_path

    model = options.model
    if model.builtin:
        compiler_imports.load_executorch()
    compiler_imports.load_quantized_operators()
    reads = Reads(bool(model.reads), _origins(model))
    with import_path(), reads.traced():
        register(options.operators, import_file)
        programs = export_methods(model, options.export) if model.methods else {"": export(model, options.export)}
    if model.methods:
        new_folder(options.output)
    for name, program in programs.items():
        save_program(program, file_of(options.output, name) if name else options.output)
    declared = {model.source, model.program, model.module, model.weights, *options.operators}
    declared |= {spec.file for spec in model.inputs}
    declared |= {path for path in map(Path, model.reads) if path.is_file()}
    write_depfile(options.depfile, reads, declared, settings=settings(argv))
    return 0


def _origins(model: Model) -> set[str]:
    """The top-level modules of a model that a package holds: ExecuTorch's examples, or the recipe's entry."""
    if model.builtin:
        return {"executorch", "torch", "torchvision"}
    return {model.entry.partition(":")[0].partition(".")[0]} if model.entry and not model.source else set()


if __name__ == "__main__":
    sys.exit(exit_code_of(main, sys.argv[1:]))
