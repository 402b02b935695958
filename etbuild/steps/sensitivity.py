"""Step sensitivity: what the quantisation of each layer costs at the model's outputs, build/<recipe>/<variant>/
sensitivity.json. It compiles nothing: the .pte runs on the test vectors on the host, with an emulated NPU.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from etbuild.compile import custom_operators
from etbuild.compile.operators_file import NAME
from etbuild.compile.tracked_code import UserCode
from etbuild.errors import exit_code_of
from etbuild.recipe.data_sections import Data
from etbuild.recipe.runtime_sections import Run
from etbuild.steps.options import from_section, inline, option, parse, plan, reads, writes
from etbuild.tune.noise import measure, require_no_state
from etbuild.tune.sensitivity import FORMAT, sensitivity
from etbuild.verify.layer_files import LayerFiles, compared

if TYPE_CHECKING:
    from etbuild.build_engine.step import Step
    from etbuild.hardware.target import Target
    from etbuild.recipe.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Options:
    """The command-line options."""

    pte: Path = reads("model.pte")
    ptd: Path | None = reads("model.ptd, its weights", None)
    exported: Path = reads("exported.pt2")
    quantized: Path = reads("quantized.pt2")
    nodes: Path = reads("operators.json of step lower")
    golden: Path = reads("golden.npz")
    delegates: Path = reads("folder with 0.tosa, 1.tosa...")
    vela: Path | None = reads("folder with Vela's debug databases", None)
    vectors: Data = inline("--vectors")
    memory_limit: int = from_section(Run, "memory_limit")
    kernels: tuple[Path, ...] = reads("C++ files of the user with kernels, for the host", (), option="--kernel")
    operators: tuple[Path, ...] = reads(
        "files that register operators of the user: .py or .so", (), option="--operators"
    )
    recipe: str = option("its name")
    variant: str = option("its name")
    output: Path = writes("sensitivity.json")
    depfile: Path | None = writes("sensitivity_deps.json: what the files that register operators read", None)


def step(recipe: Recipe, target: Target) -> Step | None:
    if recipe.model.methods or target.npu == "none":
        return None  # It is about what an NPU computes, of one method.
    base = Path("build") / recipe.name
    lowered, folder = base / target.profile, base / target.variant
    options = Options(
        pte=folder / "model.pte",
        ptd=folder / "model.ptd" if recipe.pte.external_weights else None,
        exported=base / "export" / "exported.pt2",
        quantized=lowered / "quantized.pt2",
        nodes=lowered / NAME,
        golden=lowered / "golden.npz",
        delegates=lowered / "delegates",
        vela=folder / "vela",
        vectors=recipe.vectors,
        memory_limit=recipe.run.memory_limit,
        kernels=recipe.kernels,
        operators=recipe.operator_files,
        recipe=recipe.name,
        variant=target.variant,
        output=folder / "sensitivity.json",
        depfile=folder / "sensitivity_deps.json" if recipe.operators else None,
    )
    tools = ("torch", "torchao", "executorch", "tosa-tools", "numpy", "c++")
    return plan(f"sensitivity:{recipe.name}@{target.variant}", options, tools, depfile=options.depfile or "")


def main(argv: Sequence[str]) -> int:
    options = parse(Options, argv, "etbuild.steps.sensitivity", __doc__)
    from etbuild.compile import compiler_imports

    compiler_imports.load_quantized_operators()
    code = UserCode()
    custom_operators.register(options.operators, code.operators)
    what = compared(LayerFiles(**{one.name: getattr(options, one.name) for one in fields(LayerFiles)}))
    require_no_state(what.floating)
    measured = measure(what)
    found = sensitivity(measured, what.quantised.graph)
    report = {"format": FORMAT, "recipe": options.recipe, "variant": options.variant, **found}
    options.output.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    if options.depfile:
        code.write_depfile(options.depfile, options.operators)
    return 0


if __name__ == "__main__":
    sys.exit(exit_code_of(main, sys.argv[1:]))
