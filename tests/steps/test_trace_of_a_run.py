"""Step trace: each operation of one run, of the CPU and of both delegates; doit adds the steps of the build."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from project import Project, recipe

from etbuild.build_engine.history import Build, StepRun, append
from etbuild.build_engine.workspace import STATE, Workspace
from etbuild.doit_plugin.traces import write_trace
from etbuild.steps import trace

pytestmark = pytest.mark.e2e


def test_the_trace_of_a_recipe_has_its_run_and_its_build(split: Project) -> None:
    """Operations of the CPU and of two delegates, and the last run of each step of the recipe."""
    split.run(trace.step(recipe(lsb=1)))
    state = split.root / STATE
    state.mkdir(parents=True, exist_ok=True)
    steps = (StepRun("export:r", "ran", 1.0, 2.0, (), ""), StepRun("export:other", "ran", 2.0, 3.0, (), ""))
    append(state, Build(1.0, 3.0, steps))

    said = write_trace(Workspace(split.root, {}), "r")

    file, _, _ = said.partition(":")
    events = json.loads((split.root / file).read_text())["traceEvents"]
    assert Path(file) == STATE / "trace/r.json"
    assert {one["cat"] for one in events if one["ph"] == "X"} == {"cpu", "npu", "ran"}
    assert [one["name"] for one in events if one["pid"] == 2 and one["ph"] == "X"] == ["export:r"]
    assert [one["args"]["name"] for one in events if one["name"] == "process_name"] == [
        "run of r@ethos-u55-128 (emulated NPU)",
        "build of r",
    ]
