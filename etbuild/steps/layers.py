"""Step layers: each layer of the model with its errors, what the NPU does for it, and Vela's estimates.

build/<recipe>/<variant>/layers.json. The float model, the quantised program and the .pte run on the test vectors, the
.pte on the host with an emulated NPU. It fails for no error, however large.
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
from etbuild.npu.vela_estimates import read_estimates
from etbuild.recipe.data_sections import Data
from etbuild.recipe.runtime_sections import Run
from etbuild.steps.options import from_section, inline, option, parse, plan, reads, writes
from etbuild.verify.layer_files import LayerFiles, compared
from etbuild.verify.layer_numbers import numbers_of
from etbuild.verify.layers import FORMAT, layers

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
    partition: Path = reads("partition.json")
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
    variant: str = option("its name")
    output: Path = writes("layers.json")
    depfile: Path | None = writes("layers_deps.json: what the files that register operators read", None)


def step(recipe: Recipe, target: Target) -> Step | None:
    if recipe.model.methods:
        return None  # It shows the layers of one method.
    base, npu = Path("build") / recipe.name, target.npu != "none"
    lowered, folder = base / target.profile, base / target.variant
    options = Options(
        pte=folder / "model.pte",
        ptd=folder / "model.ptd" if recipe.pte.external_weights and npu else None,
        exported=base / "export" / "exported.pt2",
        quantized=lowered / "quantized.pt2",
        partition=lowered / "partition.json",
        nodes=lowered / NAME,
        golden=lowered / "golden.npz",
        delegates=lowered / "delegates",
        vela=folder / "vela" if npu else None,
        vectors=recipe.vectors,
        memory_limit=recipe.run.memory_limit,
        kernels=recipe.kernels,
        operators=recipe.operator_files,
        variant=target.variant,
        output=folder / "layers.json",
        depfile=folder / "layers_deps.json" if recipe.operators else None,
    )
    tools = ("torch", "torchao", "executorch", "tosa-tools", "numpy", "c++")
    return plan(f"layers:{recipe.name}@{target.variant}", options, tools, depfile=options.depfile or "")


def main(argv: Sequence[str]) -> int:
    options = parse(Options, argv, "etbuild.steps.layers", __doc__)
    from etbuild.compile import compiler_imports

    compiler_imports.load_quantized_operators()
    code = UserCode()
    custom_operators.register(options.operators, code.operators)
    what = compared(LayerFiles(**{one.name: getattr(options, one.name) for one in fields(LayerFiles)}))
    numbers = numbers_of(what)
    partition = json.loads(options.partition.read_text())
    databases = [options.vela / f"{n}_debug.xml" for n in range(len(what.built.tensors))] if options.vela else []
    estimates = [read_estimates(path) for path in databases]
    found = layers(numbers, what.built, estimates, partition["operators"], len(what.samples.inputs))
    report = {"format": FORMAT, "variant": options.variant, **found}
    options.output.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    if options.depfile:
        code.write_depfile(options.depfile, options.operators)
    return 0


if __name__ == "__main__":
    sys.exit(exit_code_of(main, sys.argv[1:]))
