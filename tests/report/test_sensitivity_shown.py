"""sensitivity.json in the report and on its page."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from report_files import report_of, write_report_files

from etbuild.hardware.target import Target
from etbuild.recipe.model_sections import Model
from etbuild.recipe.output_sections import Report
from etbuild.recipe.recipe import Recipe
from etbuild.steps import report

LAYER = {
    "name": "fc",
    "modules": ["fc"],
    "operators": ["linear"],
    "line": "models/kws.py:9",
    "sqnr_db": 31.25,
    "share": 0.75,
    "parts_db": {"weights": 40.0, "value": None},
    "seen": "executed",
}
CONTENT = {"format": 1, "vectors": 8, "sqnr_db": 30.0, "sum_db": 30.1, "layers": [LAYER] * 22, "not_measured": []}


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """Of the variants that have files, each with sensitivity.json."""
    monkeypatch.chdir(tmp_path)
    write_report_files(tmp_path)
    folders = [file.parent for file in sorted(tmp_path.glob("build/kws/*/manifest.json"))]
    for folder in folders:
        manifest = json.loads((folder / "manifest.json").read_text())
        manifest["operators"]["cpu"] = []
        (folder / "manifest.json").write_text(json.dumps(manifest))
        (folder / "sensitivity.json").write_text(json.dumps(CONTENT))
        (folder / "layers.json").unlink()
    targets = tuple(Target(one.name, one.name, "tosa-u55", "High", "Shared_Sram") for one in folders)
    return Recipe("kws", (), Model(source=Path("models/kws.py")), targets, report=Report())


def test_the_report_has_what_each_layers_quantisation_costs(recipe: Recipe) -> None:
    """With report.sensitivity alone: all layers in report.json, the 20 worst on the page."""
    assert "What each layer's quantisation costs" not in report_of(recipe)

    page = report_of(replace(recipe, report=Report(sensitivity=True)))

    content = json.loads(Path("build/kws/report.json").read_text())
    assert [len(one["sensitivity"]["layers"]) for one in content["variants"]] == [22] * len(recipe.targets)
    assert "of one layer alone, for 8 vectors; of all layers together 30.0 dB." in page
    assert page.count('<th scope="row">fc linear</th><td>models/kws.py:9</td><td class="num">31.2 dB</td>') == 20 * len(
        recipe.targets
    )
    assert "And 2 more, which cost less." in page


def test_a_variant_without_an_npu_has_no_sensitivity(recipe: Recipe) -> None:
    """It is no input of the report there, which is written all the same."""
    bare = Target("cpu", "none", "cpu")

    planned = report.step(replace(recipe, targets=(*recipe.targets, bare), report=Report(sensitivity=True)))

    found = [path for path in planned.inputs if path.endswith("sensitivity.json")]
    assert found == [f"build/kws/{target.variant}/sensitivity.json" for target in recipe.targets]
