"""Writes the trace of a recipe: the steps that made its outputs, and one run of its program. It runs nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from etbuild.build_engine.history import last_runs, read
from etbuild.report.build_trace import Span, with_build
from etbuild.system.files import write_atomic

if TYPE_CHECKING:
    from etbuild.build_engine.workspace import Workspace


def write_trace(workspace: Workspace, recipe: str) -> str:
    """build/.etbuild/trace/<recipe>.json; a line for people about it. The step trace has written run_trace.json."""
    spans = [
        Span(step.name, step.how, step.begin, step.end, step.why)
        for step in last_runs(read(workspace.state)).values()
        if step.name.partition(":")[2].partition("@")[0] == recipe
    ]
    run = json.loads((workspace.root / "build" / recipe / "run_trace.json").read_text(encoding="utf-8"))
    file = workspace.state / "trace" / f"{recipe}.json"
    write_atomic(file, json.dumps(with_build(run, recipe, spans)))
    return f"{file.relative_to(workspace.root)}: open it at ui.perfetto.dev"
