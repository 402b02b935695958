"""mlia.json: what is known of a variant, in the output format 1.2.0 of Arm's ML Inference Advisor. It computes nothing.

Equal builds have equal files: the run has the id of the program, and no time.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import etbuild

if TYPE_CHECKING:
    from etbuild.report.figures import Json

VERSION = "1.2.0"
NO_TIME = "1970-01-01T00:00:00Z"
_AREAS = ("sram", "dram", "flash")


def mlia(report: Json, variant: Json) -> Json:
    """The content of mlia.json. report: of report.json. variant: one of its variants."""
    profile = next(one for one in report["profiles"] if one["profile"] == variant["profile"])
    on_npu = variant["target"]["npu"] != "none"
    vela = {"id": "vela", "name": "Vela", "version": variant["tools"].get("ethos-u-vela", "")}
    lowering = {"id": "executorch", "name": "ExecuTorch", "version": variant["tools"].get("executorch", "")}
    backends = [{**one, "configuration": {}} for one in ([lowering, vela] if on_npu else [lowering])]
    results = [_compatibility(profile, on_npu)]
    return {
        "schema_version": VERSION,
        "run_id": str(uuid.uuid5(uuid.NAMESPACE_OID, variant["pte_sha256"])),
        "timestamp": NO_TIME,
        "tool": {"name": "etbuild", "version": etbuild.__version__},
        "target": _target(variant["target"]),
        "model": {
            "name": "model.pte",
            "format": "pte",
            "hash": variant["pte_sha256"],
            "size_bytes": variant["figures"]["pte_bytes"]["value"],
        },
        "context": {"notes": f"recipe {report['recipe']}, variant {variant['variant']}; timestamp is always the same"},
        "backends": backends,
        "results": [*results, _performance(variant)] if on_npu else results,
    }


def _target(target: Json) -> Json:
    """An NPU "ethos-u55-128" is family ethos-u, model u55, variant 128."""
    configuration = {name: value for name, value in target.items() if value not in (None, "", [])}
    if target["npu"] == "none":
        return {
            "profile_name": "cpu",
            "target_type": "cortex-m",
            "components": [{"type": "cpu", "family": "cortex-m"}],
            "configuration": configuration,
        }
    family, _, macs = target["npu"].rpartition("-")
    return {
        "profile_name": target["npu"],
        "target_type": family,
        "components": [{"type": "npu", "family": "ethos-u", "model": family.removeprefix("ethos-"), "variant": macs}],
        "configuration": configuration,
    }


def _compatibility(profile: Json, on_npu: bool) -> Json:
    """Where each operator runs; on the NPU is what passes, where there is one."""
    operators = profile["operators"]["all"]
    share = profile["operators"]["npu_share"]["value"]
    status = "ok" if share == 1 or not on_npu else "incompatible" if share == 0 else "partial"
    checks = [
        {
            "id": f"on_npu/{one['node']}",
            "status": "pass" if one["place"] == "NPU" else "fail",
            "entity_id": _id(one),
            "details": {"reason": one["reason"]} if one["reason"] else {},
        }
        for one in operators
        if on_npu
    ]
    metric = {"name": "npu_share", "value": share, "unit": "1"}
    return {
        "kind": "compatibility",
        "producer": "executorch",
        "status": status,
        "metrics": [metric] if on_npu else [],
        "checks": checks,
        "entities": [_entity(one) for one in operators],
        "advice": [
            {
                "id": f"advice/{one['node']}",
                "category": "compatibility",
                "severity": "warning",
                "message": one["advice"],
                "affected_entity_ids": [_id(one)],
            }
            for one in operators
            if one["advice"]
        ],
    }


def _entity(operator: Json) -> Json:
    attributes = {name: operator[name] for name in ("module", "line") if operator[name]}
    return {
        "id": _id(operator),
        "kind": "source_operator",
        "name": operator["operator"],
        "placement": operator["place"],
        "attributes": attributes,
    }


def _id(operator: Json) -> str:
    return f"source_operator/{operator['node']}"


def _performance(variant: Json) -> Json:
    """Vela's figures of the program, and of the layers that it compiled."""
    figures = variant["figures"]
    names = ("cycles", "inference_s", "macs", *(f"{area}_bytes" for area in _AREAS))
    layers = list(_vela_layers(variant))
    return {
        "kind": "performance",
        "producer": "vela",
        "status": "ok",
        "mode": "predicted",
        "metrics": [_metric(name, figures[name]["value"], figures[name]["unit"]) for name in names],
        "entity_kinds": [{"id": "npu_layer"}],
        "entities": [{"id": name, "kind": "npu_layer", "name": text, "placement": "NPU"} for name, text, _ in layers],
        "breakdowns": [{"entity_id": name, "metrics": metrics} for name, _, metrics in layers],
    }


def _vela_layers(variant: Json) -> Iterator[tuple[str, str, list[Json]]]:
    """The id, name and metrics of each."""
    for delegate in variant["vela"]["delegates"]:
        for number, layer in enumerate(delegate["layers"]):
            cycles = [_metric(f"{name}_cycles", count, "cycles") for name, count in layer["cycles"].items()]
            others: list[Any] = [
                _metric("macs", layer["macs"], "MACs"),
                _metric("mac_utilisation", layer["mac_utilisation"], "1"),
                _metric("staging_bytes", layer["staging_bytes"], "bytes"),
            ]
            name = f"npu_layer/{delegate['delegate']}/{number}"
            yield name, f"{layer['operator']} {layer['name']}", [*cycles, *others]


def _metric(name: str, value: float, unit: str) -> Json:
    return {"name": name, "value": value, "unit": unit}
