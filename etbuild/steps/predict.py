"""Step predict: the float and the quantised model in PyTorch on the data set of `evaluate`.

build/<recipe>/<profile>/answers/. All cores work on it; it computes no metric.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from etbuild.compile import custom_operators
from etbuild.compile.exported_program import load_program
from etbuild.compile.inputs import inputs_of
from etbuild.compile.tracked_code import UserCode
from etbuild.errors import exit_code_of
from etbuild.recipe.evaluate_sections import DataSet
from etbuild.recipe.method_files import exported_file, quantized_file
from etbuild.steps.options import inline, parse, plan, reads, writes
from etbuild.verify.data_set import open_data_set
from etbuild.verify.model_answers import predict

if TYPE_CHECKING:
    from etbuild.build_engine.step import Step
    from etbuild.recipe.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Options:
    """The command-line options."""

    exported: Path = reads("exported.pt2")
    quantized: Path = reads("quantized.pt2")
    data: DataSet = inline("--data")
    operators: tuple[Path, ...] = reads(
        "files that register operators of the user: .py or .so", (), option="--operators"
    )
    output: Path = writes("folder with the answers, a .npy for each output")
    depfile: Path | None = writes("predict_deps.json: what the code of the user read", None)


def step(recipe: Recipe, profile: str) -> Step | None:
    if recipe.evaluate.data is None:
        return None
    folder = Path("build") / recipe.name / profile
    options = Options(
        exported=exported_file(recipe),
        quantized=quantized_file(recipe, profile),
        data=recipe.evaluate.data_set,
        operators=recipe.operator_files,
        output=folder / "answers",
        depfile=folder / "predict_deps.json" if recipe.evaluate.runs_code or recipe.operators else None,
    )
    tools = ("torch", "torchao", "executorch", "numpy", *recipe.evaluate.tools)
    return plan(f"predict:{recipe.name}@{profile}", options, tools, depfile=options.depfile or "")


def main(argv: Sequence[str]) -> int:
    options = parse(Options, argv, "etbuild.steps.predict", __doc__)
    from etbuild.compile import compiler_imports

    compiler_imports.load_quantized_operators()
    code = UserCode(key="evaluate.data")
    custom_operators.register(options.operators, code.operators)
    programs = {"float": load_program(options.exported), "quantized": load_program(options.quantized)}
    data = open_data_set(options.data, inputs_of(*programs["float"].example_inputs), code)
    predict(programs, data, options.output)
    if options.depfile:
        code.write_depfile(options.depfile, (*options.operators, options.data.data))
    return 0


if __name__ == "__main__":
    sys.exit(exit_code_of(main, sys.argv[1:]))
