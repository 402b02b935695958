"""Step vela: each delegate's .tosa compiled for one NPU: command streams and Vela's estimates. It needs no PyTorch.

build/<recipe>/<variant>/vela/: <n>.bin (the delegate's data, see etbuild.pte.vela), <n>_summary.csv,
<n>_per-layer.csv, <n>_debug.xml; and vela.json next to the folder. Every time and cycle in it is Vela's estimate.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from etbuild.compile.vela import compile_delegate, total
from etbuild.compile.vela_flags import target_json
from etbuild.errors import exit_code_of
from etbuild.hardware.target import Target
from etbuild.steps.options import inline, parse, plan, reads, writes
from etbuild.system.provenance import digests

if TYPE_CHECKING:
    from etbuild.build_engine.step import Step
    from etbuild.recipe.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Options:
    """The command-line options."""

    target: Target = inline()
    delegates: Path = reads("folder with 0.tosa, 1.tosa...")
    output: Path = writes("folder for the streams and Vela's files")
    report: Path = writes("vela.json")


def step(recipe: Recipe, target: Target) -> Step | None:
    if target.npu == "none":
        return None
    folder = Path("build") / recipe.name / target.variant
    delegates = folder / "rewritten" if recipe.rewrite.rules else folder.with_name(target.profile) / "delegates"
    files = {"delegates": delegates, "output": folder / "vela", "report": folder / "vela.json"}
    options = Options(target=target, **files)
    return plan(f"vela:{recipe.name}@{target.variant}", options, ("ethos-u-vela", "tosa-tools", "numpy"))


def main(argv: Sequence[str]) -> int:
    options = parse(Options, argv, "etbuild.steps.vela", __doc__)
    target = options.target
    shutil.rmtree(options.output, ignore_errors=True)
    options.output.mkdir(parents=True)
    graphs = sorted(options.delegates.glob("*.tosa"), key=lambda path: int(path.stem))
    delegates = [compile_delegate(graph, target, options.output) for graph in graphs]
    report = {
        "digests": digests((options.delegates, target.vela.ini)),
        "target": target_json(target),
        "kind": "estimate",
        "delegates": delegates,
        "total": total(delegates),
    }
    options.report.write_text(json.dumps(report, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(exit_code_of(main, sys.argv[1:]))
