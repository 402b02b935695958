"""Step execute: the .pte on the host, with an emulated NPU, on the data set of `evaluate`.

build/<recipe>/<variant>/executed/. All cores work on it; it compares nothing.
"""

from __future__ import annotations

import json
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
from etbuild.host.program import HostProgram
from etbuild.recipe.evaluate_sections import DataSet
from etbuild.recipe.method_files import exported_file
from etbuild.recipe.runtime_sections import Run
from etbuild.steps.options import from_section, inline, parse, plan, reads, writes
from etbuild.verify.data_set import open_data_set
from etbuild.verify.host_run import own_kernels
from etbuild.verify.model_answers import execute

if TYPE_CHECKING:
    from etbuild.build_engine.step import Step
    from etbuild.hardware.target import Target
    from etbuild.recipe.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Options:
    """The command-line options."""

    pte: Path = reads("model.pte")
    ptd: Path | None = reads("model.ptd, its weights", None)
    exported: Path = reads("exported.pt2, whose inputs the samples must fit")
    partition: Path = reads("partition.json, with the quantisation parameters of inputs and outputs")
    data: DataSet = inline("--data")
    memory_limit: int = from_section(Run, "memory_limit")
    kernels: tuple[Path, ...] = reads("C++ files of the user with kernels, for the host", (), option="--kernel")
    operators: tuple[Path, ...] = reads(
        "files that register operators of the user: .py or .so", (), option="--operators"
    )
    output: Path = writes("folder with the answers, a .npy for each output")
    depfile: Path | None = writes("execute_deps.json: what the code of the user read", None)


def step(recipe: Recipe, target: Target) -> Step | None:
    if recipe.evaluate.data is None:
        return None
    base = Path("build") / recipe.name
    folder = base / target.variant
    options = Options(
        pte=folder / "model.pte",
        ptd=folder / "model.ptd" if recipe.pte.external_weights and target.npu != "none" else None,
        exported=exported_file(recipe),
        partition=base / target.profile / "partition.json",
        data=recipe.evaluate.data_set,
        memory_limit=recipe.run.memory_limit,
        kernels=recipe.kernels,
        operators=recipe.operator_files,
        output=folder / "executed",
        depfile=folder / "execute_deps.json" if recipe.evaluate.runs_code or recipe.operators else None,
    )
    tools = ("torch", "torchao", "executorch", "numpy", "c++", *recipe.evaluate.tools)
    return plan(f"execute:{recipe.name}@{target.variant}", options, tools, depfile=options.depfile or "")


def main(argv: Sequence[str]) -> int:
    options = parse(Options, argv, "etbuild.steps.execute", __doc__)
    from etbuild.compile import compiler_imports

    compiler_imports.load_quantized_operators()
    code = UserCode(key="evaluate.data")
    custom_operators.register(options.operators, code.operators)
    exported = load_program(options.exported)
    data = open_data_set(options.data, inputs_of(*exported.example_inputs), code)
    kernels = own_kernels(options.kernels)
    program = HostProgram(options.pte, options.ptd, memory_limit=options.memory_limit, kernels=kernels)
    execute(program, json.loads(options.partition.read_text())["border"], exported, data, options.output)
    if options.depfile:
        code.write_depfile(options.depfile, (*options.operators, options.data.data))
    return 0


if __name__ == "__main__":
    sys.exit(exit_code_of(main, sys.argv[1:]))
