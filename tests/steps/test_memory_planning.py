"""memory_planning on the command line of step lower, and programs whose caller has the memory of inputs and outputs."""

from __future__ import annotations

from pathlib import Path

import pytest
from project import TWO_DELEGATES, U55, Project, compile_steps, recipe

from etbuild.recipe.program_sections import MemoryPlanning
from etbuild.steps import golden, lower, run
from etbuild.steps.command_line import parse

CALLERS = MemoryPlanning("naive", alloc_graph_input=False, alloc_graph_output=False)


@pytest.mark.parametrize("planning", [CALLERS, MemoryPlanning(source=Path("own/planner.py"), entry="Fast")])
def test_a_plan_of_memory_survives_the_command_line(planning: MemoryPlanning) -> None:
    """What is not the default is on it; the planner's file is an input, and what it reads is in the depfile."""
    step = lower.step(recipe(memory_planning=planning), "tosa-u55")

    assert parse(lower.Options, step.argv, "lower", None).planning == planning
    assert (str(planning.source) in step.inputs) == bool(planning.source) == bool(step.depfile)


def test_the_default_is_not_on_the_command_line() -> None:
    """A recipe without the key has the step that it had."""
    step = lower.step(recipe(), "tosa-u55")

    assert not [word for word in step.argv if word.startswith(("--memory", "--no-planned"))]
    assert step.depfile == ""


@pytest.mark.e2e
def test_inputs_and_outputs_in_the_callers_memory_are_exact_on_the_host(tmp_path: Path) -> None:
    """Neither has planned memory, so the buffer is smaller than with them by both."""
    project, one = Project(tmp_path), recipe(lsb=None, memory_planning=CALLERS)
    project.write("model.py", TWO_DELEGATES)
    project.run(*compile_steps(one, U55), golden.step(one, "tosa-u55"), run.step(one, U55))

    report = project.json("build/r/ethos-u55-128/run.json")
    assert (report["vectors"], report["bit_exact"]) == (4, 4)
    manifest = project.json("build/r/ethos-u55-128/manifest.json")
    assert manifest["memory"]["planned_bytes"] == [4368 - 2 * 4 * 4 * 4 - 2 * 10 * 10 * 4]
