"""Writes operators.json: the nodes of the quantised program that instructions and tensors of delegates are made from.

It knows no values. Of a program with several methods it has the delegates alone.
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
    plans = executorch.executorch_program.execution_plan
    data = executorch.executorch_program.backend_delegate_data
    delegates = recorded.ordered([bytes(data[one.processed.index].data) for plan in plans for one in plan.delegates])
    # Debug handles of several methods are not distinct, and neither are the numbers of their instructions.
    known = executorch._emitter_output.debug_handle_map or {} if len(plans) == 1 else {}
    handles = known.get(plans[0].name, {})
    described = {"format": FORMAT, "delegates": delegates, "instructions": _instructions(handles, sources)}
    path.write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")


def _instructions(handles: dict[int, Any], sources: dict[int, str]) -> dict[str, list[str]]:
    """For each instruction, by number, the nodes of the quantised program that it computes, in order."""
    every = {number: [one] if isinstance(one, int) else one or [] for number, one in sorted(handles.items())}
    return {str(number): [sources[one] for one in found if one in sources] for number, found in every.items()}
