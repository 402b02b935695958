"""Resolves the section `evaluate` of a recipe. It opens none of the files that it names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etbuild.config.setting import read
from etbuild.recipe.evaluate_sections import Evaluate, OwnMetric

if TYPE_CHECKING:
    from etbuild.config.section import Section
    from etbuild.recipe.model_sections import Model


def read_evaluate(root: Section, model: Model) -> Evaluate:
    """The section `evaluate`; without data where the recipe has none."""
    section = root.section("evaluate")
    if root.section("report").flag("evaluate", False) and not root.has("evaluate"):
        root.section("report").report("evaluate", "true without a data set", "the section evaluate", "")
    if not root.has("evaluate"):
        return Evaluate()
    if model.methods:
        remedy = "its samples are inputs of one method; write a recipe with model.entry for the one to evaluate"
        section.report("", "a model with methods", "a model with one", remedy)
    name = section.text("metric")
    metric = OwnMetric(entry=name) if name else OwnMetric()
    if section.has("metric") and not name:
        metric = read(section.section("metric"), OwnMetric)
    _check_metric(section, metric)
    found = read(section, Evaluate, metric=metric)
    if found.data and found.data.suffix != ".py" and section.has("entry"):
        section.report("entry", f"entry with {found.data}", "a .py as data", "entry names its function")
    return found


def _check_metric(section: Section, metric: OwnMetric) -> None:
    """Reports keys that do not fit the metric."""
    name = "" if metric.source else metric.entry
    if section.has("k") and name != "topk":
        section.report("k", f"k with metric: {name or metric.entry}", "metric: topk beside it")
    if name == "mae" and section.has("fail_below"):
        section.report("fail_below", "fail_below with metric: mae", "fail_above", "a smaller error is better")
    if name in ("top1", "topk", "auc"):
        if section.has("fail_above"):
            section.report("fail_above", f"fail_above with metric: {name}", "fail_below", "a larger share is better")
        if not 0 <= section.number("fail_below", 0.0) <= 1:
            section.report("fail_below", f"{section.number('fail_below', 0.0):g}", "a share from 0 to 1")
