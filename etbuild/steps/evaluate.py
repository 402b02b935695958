"""Step evaluate: the metric of the float model, the quantised one and the compiled program on a whole data set.

build/<recipe>/<variant>/: evaluate.json, evaluate.csv with a line for each sample. It runs no model: steps predict and
execute have. It fails if the compiled program is beyond a limit of the recipe.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etbuild.compile.tracked_code import UserCode
from etbuild.errors import exit_code_of
from etbuild.recipe.evaluate_sections import Evaluate, OwnMetric
from etbuild.steps.options import from_section, option, parse, plan, reads, writes
from etbuild.system.files import sha256
from etbuild.verify import evaluation, metrics
from etbuild.verify.answers import Answers, read_answers

if TYPE_CHECKING:
    from etbuild.build_engine.step import Step
    from etbuild.hardware.target import Target
    from etbuild.recipe.recipe import Recipe

FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Options:
    """The command-line options."""

    predicted: Path = reads("folder of step predict")
    executed: Path = reads("folder of step execute")
    pte: Path = reads("model.pte")
    metric: str = option("top1, topk, mae or auc; with source its function", "top1")
    source: Path | None = from_section(OwnMetric, "source")
    k: int = from_section(Evaluate, "k")
    fail_below: float | None = from_section(Evaluate, "fail_below")
    fail_above: float | None = from_section(Evaluate, "fail_above")
    variant: str = option("its name")
    output: Path = writes("evaluate.json")
    samples: Path = writes("evaluate.csv")
    depfile: Path | None = writes("evaluate_deps.json: what the metric of the user read", None)


def step(recipe: Recipe, target: Target) -> Step | None:
    wanted = recipe.evaluate
    if wanted.data is None:
        return None
    base = Path("build") / recipe.name
    folder, own = base / target.variant, wanted.metric.source is not None
    options = Options(
        predicted=base / target.profile / "answers",
        executed=folder / "executed",
        pte=folder / "model.pte",
        metric=wanted.metric.entry,
        source=wanted.metric.source,
        k=wanted.k,
        fail_below=wanted.fail_below,
        fail_above=wanted.fail_above,
        variant=target.variant,
        output=folder / "evaluate.json",
        samples=folder / "evaluate.csv",
        depfile=folder / "evaluate_deps.json" if own else None,
    )
    inputs = [wanted.metric.source] if wanted.metric.source else []
    name = f"evaluate:{recipe.name}@{target.variant}"
    return plan(name, options, ("numpy",), inputs=inputs, depfile=options.depfile or "")


def main(argv: Sequence[str]) -> int:
    options = parse(Options, argv, "etbuild.steps.evaluate", __doc__)
    code = UserCode(key="evaluate.metric")
    recorded = evaluation.joined(read_answers(options.predicted), read_answers(options.executed))
    found = evaluation.evaluate(recorded, _measure(options, code))
    limits = {"fail_below": options.fail_below, "fail_above": options.fail_above}
    metric: dict[str, Any] = {"name": options.metric, **({"k": options.k} if options.metric == "topk" else {})}
    content = evaluation.report(found, metric, limits)
    head = {"format": FORMAT, "variant": options.variant, "pte_sha256": sha256(options.pte)}
    options.output.write_text(json.dumps({**head, **content}, indent=1) + "\n", encoding="utf-8")
    evaluation.write_samples(found, options.samples)
    if options.depfile:
        code.write_depfile(options.depfile, (options.source,))
    print(evaluation.summary(content))
    evaluation.check(content["values"], options.metric, limits)
    return 0


def _measure(options: Options, code: UserCode) -> Callable[[Answers, Any], metrics.Measured]:
    if options.source is None:
        return lambda answers, labels: metrics.measure(options.metric, answers, labels, options.k)
    source = options.source
    function = code.made(source, options.metric, "evaluate.metric.entry")
    place = f"{source}: {options.metric}()"

    def measure(answers: Answers, labels: Any) -> metrics.Measured:
        with code.running(place):
            return metrics.own(function, place, answers, labels)

    return measure


if __name__ == "__main__":
    sys.exit(exit_code_of(main, sys.argv[1:]))
