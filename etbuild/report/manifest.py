"""manifest.json: the description of a .pte, with its SHA-256; schemas/manifest.schema.json documents every key."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import etbuild
from etbuild.pte.ports import inputs, is_io_quantization, outputs
from etbuild.pte.reader import read
from etbuild.system import tools
from etbuild.system.facts import package_versions
from etbuild.system.files import sha256

if TYPE_CHECKING:
    from etbuild.pte.ports import Port
    from etbuild.pte.program import Method, Program

FORMAT = 1
TOOLS = ("python", "torch", "torchao", "executorch", "ethos-u-vela")


@dataclass(frozen=True)
class StepReports:
    """The reports of earlier steps.

    vela:     None for a variant without an NPU.
    digests:  SHA-256 of all inputs of the build, by path.
    settings: what the recipe asked of the steps before, by step.
    packages: the version of each Python package that the model imports or that one of those requires.
    """

    partition: dict[str, Any]
    vela: dict[str, Any] | None
    digests: dict[str, str]
    settings: dict[str, list[str]]
    packages: dict[str, str]


def read_reports(steps: Mapping[str, Path], vela: Path | None, digests: dict[str, str]) -> StepReports:
    """The reports in these files.

    steps:   deps.json of step export, quantization.json of quantize and partition.json of lower, by step.
    digests: of what step pte itself reads.
    """
    read = {name: json.loads(path.read_bytes()) for name, path in steps.items()}
    of_vela = json.loads(vela.read_bytes()) if vela else None
    for report in (*read.values(), of_vela or {}):
        digests |= report.get("digests", {})
    settings = {name: report.get("settings", []) for name, report in read.items()}
    packages = package_versions(read["export"].get("facts", {}))
    return StepReports(read["lower"], of_vela, digests, settings, packages)


def manifest(pte: Path, target: dict[str, object], reports: StepReports, sidecars: Sequence[Path]) -> dict[str, Any]:
    """The content of manifest.json.

    pte:      build/<recipe>/<variant>/model.pte.
    target:   from `vela_flags.target_json`.
    sidecars: the files that were written together with the .pte.
    raises:   BadPte for a .pte that cannot be read.
    """
    program = read(pte)
    method = program.methods[0]
    border, buffers = reports.partition["border"], [one.buffer_sizes[1:] for one in program.methods]
    several = [_method(one, border[one.name]) for one in program.methods] if len(program.methods) > 1 else []
    io_params = border[method.name] if several else border
    total = reports.vela["total"] if reports.vela else {}
    delegates = reports.vela["delegates"] if reports.vela else []
    figures = ("macs", "scratch_bytes", "fast_scratch_bytes", "weight_bytes", "command_bytes")
    return {
        "format": FORMAT,
        "pte": _file(pte),
        "beside": [_file(path) for path in sidecars],
        "recipe": pte.parent.parent.name,
        "variant": pte.parent.name,
        "settings": reports.settings,
        "target": target,
        "tools": {"etbuild": etbuild.__version__, **{name: tools.version(name) for name in TOOLS}},
        "packages": reports.packages,
        "digests": dict(sorted(reports.digests.items())),
        "inputs": _ports(inputs(method), io_params["inputs"]),
        "outputs": _ports(outputs(method), io_params["outputs"]),
        "operators": {
            "cpu": _cpu_operators(program.methods),
            "compute": reports.partition["compute"],
            "compute_on_npu": reports.partition["compute_on_npu"],
            "npu_share": reports.partition["npu_share"],
        },
        "delegates": [{"delegate": one["delegate"], **{key: one[key] for key in figures}} for one in delegates],
        "memory": {
            "planned_bytes": [max(sizes) for sizes in zip_longest(*buffers, fillvalue=0)],
            "constant_bytes": _constant_bytes(program),
            **{key: total.get(key, 0) for key in figures[1:]},
        },
        "macs": total.get("macs", 0),
        **({"methods": several} if several else {}),
    }


def _method(method: Method, io_params: dict[str, Any]) -> dict[str, Any]:
    """One of several methods; "inputs" and "outputs" of the manifest are those of the first."""
    return {
        "name": method.name,
        "inputs": _ports(inputs(method), io_params["inputs"]),
        "outputs": _ports(outputs(method), io_params["outputs"]),
        "cpu_operators": _cpu_operators((method,)),
        "delegates": len(method.delegates),
        "planned_bytes": list(method.buffer_sizes[1:]),
    }


def _file(path: Path) -> dict[str, Any]:
    return {"file": path.name, "bytes": path.stat().st_size, "sha256": sha256(path)}


def _ports(ports: Sequence[Port], column: Sequence[dict[str, Any] | None]) -> list[dict[str, Any]]:
    """Inputs or outputs as the program has them.

    column: quantisation parameters from partition.json; the program has none for inputs and outputs that are integers.
    """
    rows = []
    for port, params in zip(ports, column, strict=True):
        row = {**asdict(port), "shape": list(port.shape)}
        if params and port.dtype == params["dtype"]:
            row |= {"scale": params["scale"], "zero_point": params["zero_point"], "quantized": params["dtype"]}
        rows.append(row)
    return rows


def _cpu_operators(methods: Sequence[Method]) -> list[dict[str, Any]]:
    counts = Counter(
        (str(method.operators[call.operator]), is_io_quantization(method, call))
        for method in methods
        for call in method.kernel_calls()
    )
    return [{"operator": name, "border": is_io, "count": count} for (name, is_io), count in sorted(counts.items())]


def _constant_bytes(program: Program) -> int:
    return len(program.segments[program.constants.segment].data) if program.constants else 0
