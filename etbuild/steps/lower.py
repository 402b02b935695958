"""Step lower: the program of one profile, partitioned: one .tosa a delegate, and all around them. It runs no Vela.

build/<recipe>/<profile>/: lowered.bin (the emitted program, see etbuild.compile.lowered), delegates/<n>.tosa,
partition.json (each operator: NPU or CPU, why, from which line and module of the model, what to use instead),
operators.json (what instructions and tensors of delegates are made from). With code of the user in the recipe (passes,
a memory planner) also lower_deps.json: what it read.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from etbuild.compile import custom_operators, debug_handles, delegate_states, methods
from etbuild.compile.delegate_calls import check_graphs
from etbuild.compile.etrecord import write_etrecord
from etbuild.compile.exclusions import Exclusions
from etbuild.compile.exported_program import load_program
from etbuild.compile.lowered import write_lowered
from etbuild.compile.lowering import Additions, Lowering, lower_program
from etbuild.compile.method_lowering import lower_methods
from etbuild.compile.operators_file import NAME, write_operators
from etbuild.compile.passes import Passes
from etbuild.compile.planning import planning_pass
from etbuild.compile.tracked_code import UserCode
from etbuild.errors import exit_code_of
from etbuild.firmware.user_kernels import kernels_in
from etbuild.recipe.data_sections import Quantize
from etbuild.recipe.method_files import quantized_file
from etbuild.recipe.program_sections import POINTS_OF_QUANTIZE, Exclude, MemoryPlanning, Partition, Pass
from etbuild.steps.options import from_section, inline, option, parse, plan, reads, writes
from etbuild.system.provenance import depfile_digests, digests, settings

if TYPE_CHECKING:
    from etbuild.build_engine.step import Step
    from etbuild.recipe.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Options:
    """The command-line options."""

    program: Path = reads("quantized.pt2")
    profile: str = option(
        "tosa-u55, tosa-u85, either with -cortex-m or -cortex-m-dsp, cpu, or cortex-m-scalar, -dsp or -mve"
    )
    io: str = from_section(Quantize, "io")
    operators: tuple[Path, ...] = reads("files that register operators of the user: .py or .so", ())
    kernels: tuple[Path, ...] = reads("C++ files with their kernels, and headers", (), option="--kernel")
    any_runtime: bool = option("operators may have kernels in a runtime of others", False)
    passes: tuple[Pass, ...] = option("at:source:entry of a pass at edge, backend or executorch", (), option="--pass")
    exclude: tuple[Exclude, ...] = from_section(Partition, "exclude")
    planning: MemoryPlanning = inline("--memory")
    output: Path = writes("lowered.bin")
    delegates: Path = writes("folder for the .tosa files")
    report: Path = writes("partition.json")
    etrecord: Path | None = writes("also write ExecuTorch's record for its developer tools", None)
    nodes: Path = writes("operators.json")
    depfile: Path | None = writes("lower_deps.json: the files that operators, passes and planner read", None)


def step(recipe: Recipe, profile: str) -> Step:
    folder = Path("build") / recipe.name / profile
    passes = tuple(one for one in recipe.passes if one.at not in POINTS_OF_QUANTIZE)
    runs_users_code = bool(passes or recipe.operators or recipe.memory_planning.source)
    options = Options(
        program=quantized_file(recipe, profile),
        profile=profile,
        io=recipe.quantize.io,
        operators=recipe.operator_files,
        kernels=recipe.kernels,
        any_runtime=bool(recipe.operators) and not recipe.runs_our_runtime,
        passes=passes,
        exclude=recipe.partition.exclude,
        planning=recipe.memory_planning,
        output=folder / "lowered.bin",
        delegates=folder / "delegates",
        report=folder / "partition.json",
        nodes=folder / NAME,
        etrecord=folder / "model.etrecord" if recipe.pte.etrecord else None,
        depfile=folder / "lower_deps.json" if runs_users_code else None,
    )
    more = {"inputs": [one.source for one in passes], "depfile": options.depfile or ""}
    return plan(f"lower:{recipe.name}@{profile}", options, ("torch", "torchao", "executorch", "tosa-tools"), **more)


def main(argv: Sequence[str]) -> int:
    options = parse(Options, argv, "etbuild.steps.lower", __doc__)
    from etbuild.compile import compiler_imports

    compiler_imports.load_executorch()
    code = UserCode()
    with debug_handles.recorded(etrecord=options.etrecord is not None) as recorded:
        made = _lowered(options, code)
    check_graphs(made.lowered, made.graphs)
    write_lowered(made.lowered, options.output)
    shutil.rmtree(options.delegates, ignore_errors=True)
    options.delegates.mkdir(parents=True)
    for number, graph in enumerate(made.graphs):
        (options.delegates / f"{number}.tosa").write_bytes(graph)
    delegate_states.write(made.buffers, options.delegates)
    write_operators(options.nodes, made.executorch, recorded, made.sources)
    if options.etrecord:
        write_etrecord(options.etrecord, made.executorch)
    if options.depfile:
        sources = [*(one.source for one in options.passes), options.planning.source]
        code.write_depfile(options.depfile, [*options.operators, *sources])
    origin = {"digests": digests((options.program,)) | depfile_digests(options.depfile), "settings": settings(argv)}
    report = {**origin, **made.partition, "border": made.io_params}
    options.report.write_text(json.dumps(report, indent=1) + "\n")
    return 0


def _lowered(options: Options, code: UserCode) -> Lowering:
    """The lowered program, with the user's operators registered. code: runs what else the recipe names."""
    registered = custom_operators.register(options.operators, code.operators)
    names = methods.names_in(options.program)
    files = {name: methods.file_of(options.program, name) for name in names} or {"": options.program}
    programs = {name: load_program(file) for name, file in files.items()}
    for program in programs.values():
        custom_operators.add_out_variants(custom_operators.called_by(program.graph_module, registered))
    exclusions = Exclusions(options.exclude) if options.exclude else None
    own = Additions(Passes(options.passes, code), exclusions, planning_pass(options.planning, code))
    if names:
        made = lower_methods(programs, options.profile, options.program, own)
    else:
        made = lower_program(programs[""], options.profile, options.io, options.program, own)
    if not options.any_runtime:
        called = made.lowered.operators
        custom_operators.check_kernels(called, registered, kernels_in(options.kernels), made.partition["operators"])
    return made


if __name__ == "__main__":
    sys.exit(exit_code_of(main, sys.argv[1:]))
