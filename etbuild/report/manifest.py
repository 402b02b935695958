"""manifest.json: what a .pte is, bound to it by SHA-256; schemas/manifest.schema.json describes every key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import etbuild
from etbuild.pte.ports import inputs, is_io_quantization, outputs
from etbuild.pte.reader import read
from etbuild.system import tools
from etbuild.system.files import sha256

if TYPE_CHECKING:
    from etbuild.pte.program import Method, Program

FORMAT = 1
TOOLS = ("python", "torch", "torchao", "executorch", "ethos-u-vela")


@dataclass(frozen=True)
class StepReports:
    """What the earlier steps reported: partition.json, vela.json (None without an NPU), all digests by path."""

    partition: dict[str, Any]
    vela: dict[str, Any] | None
    digests: dict[str, str]


def manifest(pte: Path, target: dict[str, object], reports: StepReports, beside: Sequence[Path]) -> dict[str, Any]:
    """beside: the other files that were made with the .pte."""
    program = read(pte)
    plan = program.methods[0]
    total = reports.vela["total"] if reports.vela else {}
    delegates = reports.vela["delegates"] if reports.vela else []
    figures = ("macs", "scratch_bytes", "fast_scratch_bytes", "weight_bytes", "command_bytes")
    return {
        "format": FORMAT,
        "pte": _file(pte),
        "beside": [_file(path) for path in beside],
        "target": target,
        "tools": {"etbuild": etbuild.__version__, **{name: tools.version(name) for name in TOOLS}},
        "digests": dict(sorted(reports.digests.items())),
        "inputs": _ports(plan, "inputs", reports.partition["border"]),
        "outputs": _ports(plan, "outputs", reports.partition["border"]),
        "operators": {
            "cpu": _cpu_operators(plan),
            "compute": reports.partition["compute"],
            "compute_on_npu": reports.partition["compute_on_npu"],
            "npu_share": reports.partition["npu_share"],
        },
        "delegates": [{"delegate": one["delegate"], **{key: one[key] for key in figures}} for one in delegates],
        "memory": {
            "planned_bytes": list(plan.buffer_sizes[1:]),
            "constant_bytes": _constant_bytes(program),
            **{key: total.get(key, 0) for key in figures[1:]},
        },
        "macs": total.get("macs", 0),
    }


def _file(path: Path) -> dict[str, Any]:
    return {"file": path.name, "bytes": path.stat().st_size, "sha256": sha256(path)}


def _ports(plan: Method, side: str, border: dict[str, Any]) -> list[dict[str, Any]]:
    """The program's own account; the grid of an integer border is no longer in the program, but in the report."""
    ports = []
    for port, grid in zip((inputs if side == "inputs" else outputs)(plan), border[side], strict=True):
        told = {**asdict(port), "shape": list(port.shape)}
        if grid and port.dtype == grid["dtype"]:
            told |= {"scale": grid["scale"], "zero_point": grid["zero_point"], "quantized": grid["dtype"]}
        ports.append(told)
    return ports


def _cpu_operators(plan: Method) -> list[dict[str, Any]]:
    calls = plan.kernel_calls()
    counts = Counter((str(plan.operators[call.operator]), is_io_quantization(plan, call)) for call in calls)
    return [{"operator": name, "border": border, "count": count} for (name, border), count in sorted(counts.items())]


def _constant_bytes(program: Program) -> int:
    return len(program.segments[program.constants.segment].data) if program.constants else 0
