"""Step lint: what it finds before lowering, that it agrees with partition.json and the .pte, and its three formats."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from project import U55, Project, compile_steps, recipe
from sarif_schema import problems_of

from etbuild.steps import export, lint, quantize

pytestmark = pytest.mark.e2e

SCHEMA = Path(__file__).parents[2] / "schemas/lint.schema.json"

# An explicit pad, a mean over the image, a softmax at the end, an operator that the U55 lacks, and the norms and the
# activation that Arm's guidance of 2025 tells to avoid.
NORMS = """
    import torch
    from torch import nn

    class Norms(nn.Module):
        def __init__(self):
            super().__init__()
            self.pad = nn.ZeroPad2d(1)
            self.conv = nn.Conv2d(3, 12, 3)
            self.group = nn.GroupNorm(3, 12)
            self.gelu = nn.GELU()
            self.up = nn.Upsample(scale_factor=3, mode="nearest")
            self.layer = nn.LayerNorm(12)
            self.head = nn.Linear(12, 4)
            self.end = nn.Softmax(1)

        def forward(self, x):
            x = self.up(self.gelu(self.group(self.conv(self.pad(x)))))
            x = x.mean((2, 3))
            return self.end(self.head(self.layer(x)))

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        ModelUnderTest = Norms()
        ModelInputs = (torch.randn(1, 3, 6, 6),)
"""


@pytest.fixture(scope="module")
def norms(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The model above, linted after its quantisation and then built."""
    made = Project(tmp_path_factory.mktemp("norms"))
    made.write("model.py", NORMS)
    made.write("recipes/r.yaml", "model: {source: ../model.py}\n")
    one = recipe()
    made.run(export.step(one), quantize.step(one, "tosa-u55"), lint.step(one))
    made.run(*compile_steps(one, U55)[2:])
    return made


def found(project: Project) -> list[Any]:
    return list(project.json("build/r/lint.json")["findings"])


def test_each_rule_says_what_where_why_and_what_to_do(norms: Project) -> None:
    """In the order of the rules; a place is a line of the model and a module."""
    assert [(one["rule"], one["level"], one["line"], one["module"]) for one in found(norms)] == [
        ("cpu-operator", "warning", "model.py:17", "up"),
        ("pad-before-convolution", "warning", "model.py:17", "pad"),
        ("mean-as-reduction", "warning", "model.py:18", None),
        ("softmax-at-end", "note", "model.py:19", "end"),
        ("channel-padding", "note", "model.py:17", "conv"),
        ("float-border", "note", None, None),
    ]
    assert {one["remedy"] for one in found(norms)} >= {
        "nn.Conv2d(..., padding=(1, 1)) without the padding before it",
        "8 channels are faster, and 16 as fast",
        "quantize: {io: int8}, and the application converts where it needs floats",
    }


def test_lint_says_where_each_operator_runs_before_it_is_lowered(norms: Project) -> None:
    """Operator by operator as partition.json, with GELU, LayerNorm and GroupNorm, all of them on the NPU."""
    lint_says = norms.json("build/r/lint.json")["operators"]["tosa-u55"]
    keys = ("operator", "class", "place", "reason", "line", "module", "advice")
    partition = [{key: one[key] for key in keys} for one in norms.json("build/r/tosa-u55/partition.json")["operators"]]

    assert lint_says == partition
    places = {one["module"]: one["place"] for one in lint_says if one["class"] == "compute"}
    assert {places[name] for name in ("group", "gelu", "layer")} == {"NPU"}


def test_lint_and_the_pte_have_the_same_operators_on_the_cpu(norms: Project) -> None:
    """The kernel calls of the .pte, apart from those at the border, and its delegates."""
    operators = norms.json("build/r/lint.json")["operators"]["tosa-u55"]
    manifest = norms.json("build/r/ethos-u55-128/manifest.json")
    on_cpu = [one for one in operators if one["place"] == "CPU" and one["class"] == "compute"]
    said = Counter(f"aten::{one['operator'].partition('.')[0]}" for one in on_cpu)
    held = Counter(
        {
            one["operator"].partition(".")[0]: one["count"]
            for one in manifest["operators"]["cpu"]
            if "quantize_per_tensor" not in one["operator"]
        }
    )

    assert said == held == Counter({"aten::upsample_nearest2d": 1})


def test_lint_json_is_what_its_schema_says(norms: Project) -> None:
    """schemas/lint.schema.json allows no other key."""
    jsonschema.validate(norms.json("build/r/lint.json"), json.loads(SCHEMA.read_text(encoding="utf-8")))


def test_a_fix_of_the_sarif_log_is_the_patch(norms: Project) -> None:
    """The replacements of a fix, applied to the file, give what the patch gives."""
    run = norms.json("build/r/lint.sarif")["runs"][0]
    fixes = {number: one["fixes"][0] for number, one in enumerate(run["results"], 1) if "fixes" in one}

    assert [run["tool"]["driver"]["rules"][one["ruleIndex"]]["id"] for one in run["results"]] == [
        one["ruleId"] for one in run["results"]
    ]
    assert sorted(f"{number}.patch" for number in fixes) == sorted(
        file.name for file in (norms.root / "build/r/lint").iterdir()
    )
    for number, fix in fixes.items():
        (change,) = fix["artifactChanges"]
        file = change["artifactLocation"]["uri"]
        (one,) = change["replacements"]
        region, lines = one["deletedRegion"], (norms.root / file).read_text().splitlines(keepends=True)
        begin = sum(map(len, lines[: region["startLine"] - 1])) + region["startColumn"] - 1
        end = sum(map(len, lines[: region["endLine"] - 1])) + region["endColumn"] - 1
        text = "".join(lines)
        patched = subprocess.run(
            ["patch", "-p1", "-s", "-o", "-", "-i", f"build/r/lint/{number}.patch"],
            cwd=norms.root,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert text[:begin] + one["insertedContent"]["text"] + text[end:] == patched


@pytest.mark.slow
def test_the_log_with_fixes_is_what_the_schema_of_sarif_says(norms: Project, tmp_path: Path) -> None:
    """The official one of version 2.1.0."""
    assert problems_of([norms.root / "build/r/lint.sarif"], tmp_path) == []


def test_a_model_without_an_npu_has_nothing_to_lint(project: Project) -> None:
    """The step runs, and says so."""
    from project import CPU

    project.write("recipes/r.yaml", "model: {source: ../model.py}\n")
    project.write("model.py", NORMS)
    project.run(lint.step(recipe(CPU)))

    assert project.json("build/r/lint.json")["findings"] == []
