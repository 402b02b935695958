"""The report of a recipe in the formats of other tools, and with its layers; `slow` asks those tools themselves."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import pytest
from jsonschema import Draft202012Validator
from project import U55, Project, recipe
from sarif_schema import problems_of

from etbuild.config.schemas import schema_file
from etbuild.recipe.output_sections import Report
from etbuild.recipe.runtime_sections import Run
from etbuild.report.view import shown
from etbuild.steps import layers, report, run

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.e2e

VARIANT = "ethos-u55-128"


@pytest.fixture(scope="module")
def reported(split: Project) -> Project:
    """Two convolutions on the NPU and an operator on the CPU, run on the host, with layers in the report."""
    one = replace(recipe(lsb=1), report=Report(layers=True), run=Run(on="host"))
    ran = run.step(one, U55)
    assert ran is not None
    split.run(ran, layers.step(one, U55), report.step(one))
    return split


def read(project: Project, name: str) -> Any:
    return project.json(f"build/r/report/{name}")


def test_the_report_has_layers_and_the_memory_plan(reported: Project) -> None:
    """It is valid; planned tensors lie inside of their buffers, and what lives together shares no byte."""
    found = reported.json("build/r/report.json")
    schema = json.loads(schema_file("report").read_text())
    (variant,) = found["variants"]
    plan, buffers = variant["planned"], variant["vela"]["delegates"][0]["buffers"]

    assert [error.message for error in Draft202012Validator(schema).iter_errors(found)] == []
    assert variant["layers"] == reported.json(f"build/r/{VARIANT}/layers.json")
    assert all(0 < one["offset"] + one["bytes"] <= plan["buffers_bytes"][one["buffer"] - 1] for one in plan["tensors"])
    assert list(overlaps(plan["tensors"], ("first", "last"))) == []
    assert [(one["delegate"], one["module"], one["values"]) for one in variant["weights"]["layers"]] == [
        (0, "first", 72),
        (1, "second", 72),
    ]
    assert max(one["offset"] + one["bytes"] for one in buffers) <= variant["figures"]["scratch_bytes"]["value"]
    assert list(overlaps(buffers, ("first_layer", "last_layer"))) == []


def overlaps(parts: list[Any], life: tuple[str, str]) -> Iterator[tuple[Any, Any]]:
    """Pairs that are in use at the same time and have a byte in common."""
    for number, one in enumerate(parts):
        for other in parts[:number]:
            ends = [(part[life[0]], part[life[1]]) for part in (one, other)]
            at_once = ends[0][0] < ends[1][1] and ends[1][0] < ends[0][1]
            places = [(part["offset"], part["offset"] + part["bytes"]) for part in (one, other)]
            shared = places[0][0] < places[1][1] and places[1][0] < places[0][1]
            if at_once and shared and one["buffer"] == other["buffer"]:
                yield one, other


def test_an_operator_on_the_cpu_is_a_finding_at_its_line(reported: Project) -> None:
    """SARIF 2.1.0 with the rule, the reason, the model's line and module."""
    (one,) = read(reported, "findings.sarif")["runs"]
    (found,) = one["results"]
    (place,) = found["locations"]
    (operator,) = list(reported.json("build/r/report.json")["profiles"][0]["operators"]["on_cpu"])

    assert one["tool"]["driver"]["rules"][found["ruleIndex"]]["id"] == found["ruleId"] == "operator-on-cpu"
    assert found["level"] == "warning"
    assert found["message"]["text"].startswith(
        f"tosa-u55: {operator['operator']} runs on the CPU: {operator['reason']}"
    )
    assert place["physicalLocation"]["artifactLocation"]["uri"] == "model.py"
    assert place["physicalLocation"]["region"]["startLine"] == int(operator["line"].rpartition(":")[2])
    assert place["logicalLocations"] == [{"fullyQualifiedName": "up", "kind": "module"}]


def test_runs_are_test_cases(reported: Project) -> None:
    """JUnit: the vectors, the limits of golden, the layers."""
    (suite,) = ElementTree.parse(reported.root / "build/r/report/runs.xml").getroot()

    assert suite.attrib == {"name": f"r@{VARIANT}", "tests": "3", "failures": "0", "errors": "0", "skipped": "0"}
    assert [case.get("name") for case in suite] == [
        "vectors on host (emulated NPU)",
        "expected outputs of 4 vectors within the recipe's limits",
        "layers as their TOSA graphs",
    ]


def test_the_mlia_file_says_what_passes_and_what_vela_predicts(reported: Project) -> None:
    """Checks and breakdowns refer to entities of the same result; the figures are those of the report."""
    found = read(reported, f"{VARIANT}/mlia.json")
    (variant,) = reported.json("build/r/report.json")["variants"]
    compatibility, performance = found["results"]
    metrics = {one["name"]: one["value"] for one in performance["metrics"]}

    assert (found["schema_version"], found["model"]["hash"]) == ("1.2.0", variant["pte_sha256"])
    assert found["target"]["components"] == [{"type": "npu", "family": "ethos-u", "model": "u55", "variant": "128"}]
    assert [one["status"] for one in compatibility["checks"]] == ["pass", "pass", "fail", "pass"]
    assert compatibility["status"] == "partial"
    assert metrics["cycles"] == variant["figures"]["cycles"]["value"]
    for one in (compatibility, performance):
        known = {entity["id"] for entity in one["entities"]}
        assert {part["entity_id"] for part in (*one.get("checks", ()), *one.get("breakdowns", ()))} == known


def test_node_data_is_at_the_nodes_of_the_graphs(reported: Project) -> None:
    """Operators of a TOSA graph, and instructions of the program, by number."""
    folder = reported.root / f"build/r/report/{VARIANT}/node_data"
    cycles = json.loads((folder / "0.tosa.cycles.json").read_text())["main"]
    errors = json.loads((folder / "model.pte.sqnr.json").read_text())["forward"]
    rows = reported.json(f"build/r/{VARIANT}/layers.json")["layers"]

    assert set(cycles["results"]) == {f"main/op{number}" for delegate, number in rows[0]["tosa"] if not delegate}
    assert {one["value"] for one in cycles["results"].values()} == {rows[0]["estimate"]["cycles"]["total"]}
    assert {one["value"] for one in errors["results"].values()} == {rows[1]["errors"]["executed_to_float"]["sqnr_db"]}


def test_the_view_has_the_graphs_and_their_figures(reported: Project) -> None:
    """All overlays belong to a file that is shown; cycles come last, which Model Explorer shows first."""
    found = shown(reported.root / f"build/r/{VARIANT}", reported.root / "build/r/tosa-u55")

    names = [Path(file).name for file in found["models"]]
    assert names == ["0.tosa", "1.tosa", "model.pte"]
    assert {one["model"] for one in found["node_data"]} == set(names)
    assert found["node_data"][-1]["name"] == "cycles (Vela's estimate)"


# What each tool says of our files; it prints nothing where all is well.
ASK = """
import json, sys
from pathlib import Path
build = Path(sys.argv[1])
formats, variant = build / "report", build / "report/ethos-u55-128"
from mlia.core.output_validation import collect_validation_errors
for problem in collect_validation_errors(json.loads((variant / "mlia.json").read_text())):
    print("mlia:", problem)
from junitparser import JUnitXml
if sum(len(suite) for suite in JUnitXml.fromfile(str(formats / "runs.xml"))) != 3:
    print("junitparser: other cases")
from sarif.loader import load_sarif_file
found = load_sarif_file(str(formats / "findings.sarif")).get_records()
if [(one["Severity"], one["Line"]) for one in found] != [("warning", 12)]:
    print("sarif-tools:", found)
from model_explorer.node_data_builder import GraphNodeData, GradientItem, NodeDataResult
from tosa_adapter_model_explorer.main import TosaFlatbufferAdapter as TosaAdapter
from pte_adapter_model_explorer.main import PTEAdapter
graphs = {}
for number in (0, 1):
    path = build / f"tosa-u55/delegates/{number}.tosa"
    graphs[path.name] = TosaAdapter().convert(str(path), {})
graphs["model.pte"] = PTEAdapter().convert(str(build / "ethos-u55-128/model.pte"), {})
for path in sorted((variant / "node_data").glob("*.json")):
    shown = graphs[".".join(path.name.split(".")[:2])]
    collections = shown.get("graphCollections") or [shown]
    every = [graph for one in collections for graph in (one["graphs"] if isinstance(one, dict) else one.graphs)]
    for name, content in json.loads(path.read_text()).items():
        data = dict(content, results={key: NodeDataResult(**one) for key, one in content["results"].items()})
        GraphNodeData(**dict(data, gradient=[GradientItem(**one) for one in content["gradient"]])).to_json_string()
        nodes = {node.id for graph in every if graph.id == name for node in graph.nodes}
        if not set(content["results"]) <= nodes:
            print(path.name, sorted(set(content["results"]) - nodes), sorted(nodes))
"""
TOOLS = ("mlia", "ai-edge-model-explorer", "tosa-adapter-model-explorer", "pte-adapter-model-explorer")


@pytest.mark.slow
def test_the_tools_that_read_the_formats_take_them(reported: Project, tmp_path: Path) -> None:
    """In an environment of their own, which pip makes: MLIA, Model Explorer with its adapters, sarif-tools."""
    python = tmp_path / "tools/bin/python"
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "tools"], check=True)
    install = [python, "-m", "pip", "install", "--quiet", *TOOLS, "jsonschema", "sarif-tools", "junitparser"]
    subprocess.run(install, check=True)
    done = subprocess.run([python, "-c", ASK, reported.root / "build/r"], capture_output=True, text=True, check=False)

    assert (done.stdout, done.returncode) == ("", 0), done.stderr


@pytest.mark.slow
def test_findings_are_what_the_schema_of_sarif_says(reported: Project, tmp_path: Path) -> None:
    """The official one of version 2.1.0."""
    assert problems_of([reported.root / "build/r/report/findings.sarif"], tmp_path) == []


@pytest.mark.slow
def test_model_explorer_shows_a_variant_until_ctrl_c(reported: Project, tmp_path: Path) -> None:
    """Installed by pip into a cache folder of its own; its page has the graphs, and the figures at their nodes."""
    from playwright.sync_api import sync_playwright

    folder = reported.root / "build/r"
    command = [sys.executable, "-m", "etbuild.report.view", "--no-browser"]
    command += ["--folder", str(folder / VARIANT), "--profile", str(folder / "tosa-u55")]
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout and process.stderr
        said = [process.stdout.readline() for _ in range(3)]
        assert said[1].startswith("Model Explorer: http://127.0.0.1:"), (said, process.stderr.read())
        with sync_playwright() as play:
            browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            page = browser.new_page()
            page.goto(said[1].removeprefix("Model Explorer: ").strip())
            page.get_by_text("cycles (Vela's estimate)").first.wait_for(timeout=60_000)
            page.get_by_text("0.tosa", exact=True).first.wait_for()
            browser.close()
        process.send_signal(signal.SIGINT)
        assert (process.wait(20), process.stderr.read()) == (0, "")
    finally:
        process.kill()
        process.wait()
