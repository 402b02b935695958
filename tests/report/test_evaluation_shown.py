"""evaluate.json in the report, on its page, and in what etbuild compare lists."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from report_files import report_of, write_report_files

from etbuild.hardware.target import Target
from etbuild.recipe.model_sections import Model
from etbuild.recipe.output_sections import Report
from etbuild.recipe.recipe import Recipe
from etbuild.report.compared_build import FIGURES, build_of_variant
from etbuild.report.comparison import better
from etbuild.report.page.verdict import verdicts
from etbuild.system.files import sha256


def evaluation(pte: Path, metric: str = "top1", fail_above: float | None = None) -> dict[str, Any]:
    return {
        "format": 1,
        "variant": "v",
        "pte_sha256": sha256(pte),
        "metric": {"name": metric},
        "samples": 360,
        "values": {"float": 0.75, "quantized": 0.5, "executed": 0.25},
        "agreement_of_executed": {"float": 0.5, "quantized": 1.0},
        "max_error": 1.5,
        "confusion": [[100, 80], [60, 120]],
        "limits": {"fail_below": None, "fail_above": fail_above},
    }


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Those of the variants, each with evaluate.json."""
    monkeypatch.chdir(tmp_path)
    write_report_files(tmp_path)
    found = [file.parent for file in sorted(tmp_path.glob("build/kws/*/manifest.json"))]
    for folder in found:
        manifest = json.loads((folder / "manifest.json").read_text())
        manifest["operators"]["cpu"] = []
        manifest["pte"] |= {"file": "model.pte", "sha256": sha256(folder / "model.pte")}
        (folder / "manifest.json").write_text(json.dumps(manifest))
        (folder / "evaluate.json").write_text(json.dumps(evaluation(folder / "model.pte")))
        (folder / "layers.json").unlink()
    return found


def test_the_report_has_the_metric_of_all_three_models(folders: list[Path]) -> None:
    """With report.evaluate alone: in report.json, and on the page with the confusion matrix of the data set."""
    targets = tuple(Target(one.name, one.name, "tosa-u55", "High", "Shared_Sram") for one in folders)
    recipe = Recipe("kws", (), Model(source=Path("models/kws.py")), targets, report=Report())
    assert "Whole data set" not in report_of(recipe)

    page = report_of(replace(recipe, report=Report(evaluate=True)))
    content = json.loads(Path("build/kws/report.json").read_text())
    assert [one["evaluate"]["values"]["executed"] for one in content["variants"]] == [0.25] * len(folders)
    assert "360 samples. The compiled program answers as the float model on 50.0 %." in page
    assert "Confusion matrix of the data set" in page


@pytest.mark.parametrize(
    ("metric", "limits", "values", "state", "text"),
    [
        ("top1", (None, None), (0.75, 0.745), "good", "74.5 % right on 360 samples"),
        ("top1", (None, None), (0.75, 0.73), "warn", "73.0 % right on 360 samples"),
        ("mae", (None, None), (0.2, 0.209), "good", "mae 0.209 on 360 samples"),
        ("mae", (None, None), (0.2, 0.22), "warn", "mae 0.22 on 360 samples"),
        ("mine", (None, None), (8.0, 2.0), "unknown", "mine 2 on 360 samples"),
        ("mine", (1.0, None), (8.0, 2.0), "warn", "mine 2 on 360 samples"),
        ("mine", (None, 9.0), (8.0, 2.0), "good", "mine 2 on 360 samples"),
    ],
)
def test_the_verdict_on_accuracy_is_of_the_whole_data_set(
    metric: str, limits: tuple[Any, Any], values: tuple[float, float], state: str, text: str
) -> None:
    """Where the report has it: sixteen test vectors say less. A metric of the user is better as its limit says."""
    content = evaluation(Path(__file__), metric) | {"limits": {"fail_below": limits[0], "fail_above": limits[1]}}
    content["values"] = {"float": values[0], "quantized": values[0], "executed": values[1]}
    golden = {"accuracy": None, "differences": {"outputs": []}, "lsb": {"value": 0}, "vectors": {"value": 16}}
    operators = {"on_cpu": [], "compute": {"value": 1}, "compute_on_npu": {"value": 1}}
    variant = {"firmware": None, "run": None, "variant": "v", "figures": {}, "target": {"npu": "n"}}

    lines = verdicts("kws", {"golden": golden, "operators": operators}, {**variant, "evaluate": content})

    (line,) = (one for one in lines if one.title == "Accuracy")
    assert (line.state, line.text, line.kind) == (state, text, "measured")


def test_builds_are_compared_by_their_metric(folders: list[Path]) -> None:
    """A larger share is better, a larger error is worse; history lists the same figures."""
    folder = folders[0]
    figures = build_of_variant(folder, "one").figures
    assert (figures["metric"]["value"], figures["float_metric"]["value"]) == (0.25, 0.75)

    (folder / "evaluate.json").write_text(json.dumps(evaluation(folder / "model.pte", "mae")))
    figures = build_of_variant(folder, "one").figures
    assert (figures["metric_error"]["value"], "metric" in figures) == (0.25, False)
    assert [better(name, 0.1) for name in ("metric", "float_metric", "metric_error")] == [1, 1, -1]
    assert {"metric", "float_metric", "metric_error"} <= FIGURES.keys()


def test_the_metric_of_another_program_is_not_this_builds(folders: list[Path]) -> None:
    """evaluate.json says which .pte ran: after the next build it is an old one until the step runs again."""
    folder = folders[0]
    content = evaluation(folder / "model.pte") | {"pte_sha256": "0" * 64}
    (folder / "evaluate.json").write_text(json.dumps(content))

    assert "metric" not in build_of_variant(folder, "one").figures
