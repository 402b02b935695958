"""Step rewrite: the delegates' TOSA graphs, changed by rules to cost one NPU less. It needs no PyTorch.

build/<recipe>/<variant>/rewritten/<n>.tosa, and rewrite.json next to the folder. Vela's estimates decide what is kept,
and the TOSA reference model computes both graphs on random inputs: they must be equal to the last bit.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etbuild.compile.operators_file import NAME
from etbuild.compile.vela import estimate
from etbuild.errors import exit_code_of
from etbuild.hardware.target import Target
from etbuild.recipe.rewrite_sections import Rewrite
from etbuild.rewrite.rewriter import Cost, Outcome, Rewriter
from etbuild.steps.options import from_section, inline, parse, plan, reads, writes
from etbuild.system.provenance import digests
from etbuild.verify.equal_graphs import GraphBefore

if TYPE_CHECKING:
    from etbuild.build_engine.step import Step
    from etbuild.recipe.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Options:
    """The command-line options."""

    target: Target = inline()
    rules: tuple[str, ...] = from_section(Rewrite, "rules")
    delegates: Path = reads("folder with 0.tosa, 1.tosa...")
    nodes: Path | None = reads("operators.json of step lower, for lines of the model", None)
    output: Path = writes("folder for the changed graphs")
    report: Path = writes("rewrite.json")


def step(recipe: Recipe, target: Target) -> Step | None:
    if target.npu == "none" or not recipe.rewrite.rules:
        return None
    folder = Path("build") / recipe.name / target.variant
    files = {"output": folder / "rewritten", "report": folder / "rewrite.json"}
    delegates = folder.with_name(target.profile) / "delegates"
    nodes = delegates.with_name(NAME)
    options = Options(target=target, rules=recipe.rewrite.rules, delegates=delegates, nodes=nodes, **files)
    return plan(f"rewrite:{recipe.name}@{target.variant}", options, ("ethos-u-vela", "tosa-tools", "numpy"))


def main(argv: Sequence[str]) -> int:
    options = parse(Options, argv, "etbuild.steps.rewrite", __doc__)
    shutil.rmtree(options.output, ignore_errors=True)
    # With what step lower wrote beside the graphs: step vela names lost buffers by it.
    shutil.copytree(options.delegates, options.output)
    rows = []

    def cost(content: bytes) -> Cost:
        return Cost.of_row(estimate(content, options.target))

    for graph in sorted(options.delegates.glob("*.tosa"), key=lambda path: int(path.stem)):
        rewriter = Rewriter(str(graph), cost, GraphBefore(graph).difference)
        (options.output / graph.name).write_bytes(rewriter.rewrite(graph.read_bytes(), options.rules))
        rows.append({"delegate": int(graph.stem), "rules": _rows(rewriter.outcomes, options.nodes, int(graph.stem))})
    report = {"digests": digests((options.delegates,)), "kind": "estimate", "delegates": rows}
    options.report.write_text(json.dumps(report, indent=1) + "\n")
    return 0


def _rows(outcomes: Sequence[Outcome], nodes: Path | None, delegate: int) -> list[dict[str, Any]]:
    """Of rewrite.json, with the lines of the model from which the changed tensors are made."""
    made_from = json.loads(nodes.read_text())["delegates"][delegate] if nodes else {}
    rows = []
    for outcome in outcomes:
        lines = {made_from.get(name, {}).get("line", "") for name in outcome.changed}
        rows.append({**outcome.to_json(), "lines": sorted(lines - {""})})
    return rows


if __name__ == "__main__":
    sys.exit(exit_code_of(main, sys.argv[1:]))
