"""Writes operators.json: the nodes of the quantised program that instructions and tensors of delegates are made from.

It knows no values.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from etbuild.compile.debug_handles import FORMAT, Recorded

NAME = "operators.json"


def write_operators(path: Path, executorch: Any, recorded: Recorded, sources: dict[int, str]) -> None:
    """Write operators.json.

    executorch: the ExecutorchProgramManager, lowered inside `debug_handles.recorded`.
    sources:    by debug handle, the name of an operator in the quantised program.
    """
    plan = executorch.executorch_program.execution_plan[0]
    data = executorch.executorch_program.backend_delegate_data
    delegates = recorded.ordered([bytes(data[one.processed.index].data) for one in plan.delegates])
    handles = (executorch._emitter_output.debug_handle_map or {}).get(plan.name, {})
    described = {"format": FORMAT, "delegates": delegates, "instructions": _instructions(handles, sources)}
    path.write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")


def _instructions(handles: dict[int, Any], sources: dict[int, str]) -> dict[str, list[str]]:
    """For each instruction, by number, the nodes of the quantised program that it computes, in order."""
    every = {number: [one] if isinstance(one, int) else one or [] for number, one in sorted(handles.items())}
    return {str(number): [sources[one] for one in found if one in sources] for number, found in every.items()}
