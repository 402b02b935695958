"""report.json: the figures of all profiles and variants of a recipe in one file. It computes no new figure.

Each figure has a kind: exact (counted or allocated), estimate (Vela's) or measured.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from etbuild.report.figures import Json, exact, figure, read_json, read_manifest_and_vela, variant_figures
from etbuild.report.page.memory import plan_of

FORMAT = 1
OF_OPERATOR = ("node", "operator", "place", "delegate", "reason", "line", "module", "advice")
OF_PROFILE = ("quantization.json", "partition.json", "golden.json")


class Shown(NamedTuple):
    """Which files of each variant are a part of the report: layers.json, evaluate.json, sensitivity.json."""

    layers: bool = False
    evaluation: bool = False
    sensitivity: bool = False


def report(
    recipe: str,
    folder: Path,
    profiles: Sequence[str],
    profile_of_variant: Mapping[str, str],
    shown: Shown | None = None,
) -> Json:
    """The content of report.json.

    folder:             build/<recipe>.
    profile_of_variant: names of variants, each with the profile that it was lowered for.
    shown:              what else is a part of it.
    raises:             StepError when a report of an earlier step is missing.
    """
    shown = shown or Shown()
    return {
        "format": FORMAT,
        "recipe": recipe,
        "profiles": [_profile(folder / name, name) for name in profiles],
        "variants": [
            _variant(folder / name, name, profile, shown.layers) | _on_request(folder / name, shown)
            for name, profile in profile_of_variant.items()
        ],
    }


def _profile(folder: Path, name: str) -> Json:
    quantization, partition, golden = (read_json(folder / file) for file in OF_PROFILE)
    return {
        "profile": name,
        "quantization": {
            "scheme": quantization["scheme"],
            "tensors": len(quantization["tensors"]),
            "accepted": len(quantization["accepted"]),
            "rejected": len(quantization["rejected"]),
            **{key: quantization[key] for key in ("already_quantized", "trained") if key in quantization},
        },
        "operators": {
            "compute": exact(partition["compute"], "operators", "partition.json"),
            "compute_on_npu": exact(partition["compute_on_npu"], "operators", "partition.json"),
            "npu_share": exact(partition["npu_share"], "1", "partition.json"),
            "on_cpu": _on_cpu(partition["operators"]),
            "all": [{name: one.get(name) for name in OF_OPERATOR} for one in partition["operators"] if _computes(one)],
        },
        "golden": _golden(golden),
    }


def _golden(golden: Json) -> Json:
    """Differences between expected outputs, quantised program and float model on the test vectors."""
    right = golden["accuracy"]
    return {
        "vectors": exact(golden["vectors"], "vectors", "golden.json"),
        "lsb": exact(max((one["lsb"]["max"] for one in golden["outputs"]), default=0), "steps", "golden.json"),
        "accuracy": right and {name: figure(share, "1", "measured", "golden.json") for name, share in right.items()},
        "differences": {"kind": "exact", "source": "golden.json", "outputs": golden["outputs"]},
    }


def _on_cpu(operators: Sequence[Json]) -> list[Json]:
    """Operators that run on the CPU, with their number, most frequent first; without those that quantise inputs and
    outputs."""
    found = Counter(
        (one["operator"], one["reason"], one["line"], one["module"], one["advice"])
        for one in operators
        if one["place"] == "CPU" and _computes(one)
    )
    names = ("operator", "reason", "line", "module", "advice")
    return [{**dict(zip(names, row, strict=True)), "count": count} for row, count in found.most_common()]


def _computes(operator: Json) -> bool:
    return bool(operator["class"] == "compute")


def _variant(folder: Path, variant: str, profile: str, shows_layers: bool) -> Json:
    manifest, vela = read_manifest_and_vela(folder)
    return {
        "variant": variant,
        "profile": profile,
        "target": manifest["target"],
        "tools": manifest["tools"],
        "pte_sha256": manifest["pte"]["sha256"],
        "figures": variant_figures(manifest, vela),
        "vela": {"kind": "estimate", "source": "vela.json", "delegates": _estimates(vela)} if vela else None,
        "weights": _weights(vela, folder.with_name(profile) / "operators.json"),
        "firmware": _read_if_exists(folder / "sizes.json"),
        "run": _run(folder / "run.json"),
        "planned": _planned(folder / "model.pte"),
        "layers": _read_if_exists(folder / "layers.json") if shows_layers else None,
    }


def _estimates(vela: Json) -> list[Json]:
    """vela.json's delegates without what is counted."""
    return [{key: value for key, value in one.items() if key != "weights"} for one in vela["delegates"]]


def _weights(vela: Json | None, operators: Path) -> Json:
    """The zeros in the weights of each layer, with the module and line that it is made from."""
    made_from = _read_if_exists(operators) or {"delegates": []}
    layers: list[Json] = []
    for number, one in enumerate(vela["delegates"] if vela else ()):
        about = made_from["delegates"][number] if number < len(made_from["delegates"]) else {}
        for row in one.get("weights", ()):
            origin = about.get(row["name"], {})
            place = {"module": origin.get("module"), "line": origin.get("line")}
            layers.append({"delegate": one["delegate"], **row, **place})
    return {"kind": "exact", "source": "vela.json", "layers": layers}


def _on_request(folder: Path, shown: Shown) -> Json:
    """What a report has of steps that run on request; {} for a report without it."""
    found: Json = {}
    if shown.evaluation:
        found["evaluate"] = read_json(folder / "evaluate.json")
    if shown.sensitivity:  # A variant without an NPU has none.
        found["sensitivity"] = _read_if_exists(folder / "sensitivity.json")
    return found


def _planned(pte: Path) -> Json | None:
    """The planned buffers of the program over its instructions, and when they are in use; None without a program."""
    if not pte.exists():
        return None
    plan = plan_of(pte)
    names = ("value", "buffer", "offset", "bytes", "first", "last", "text")
    return {
        "kind": "exact",
        "source": "model.pte",
        "instructions": list(plan.instructions),
        "buffers_bytes": list(plan.buffers),
        "tensors": [dict(zip(names, one, strict=True)) for one in plan.tensors],
        "peak_bytes": plan.peak_bytes,
        "peak_at": plan.peak_at,
    }


def _run(path: Path) -> Json | None:
    """run.json without the run's duration, so that equal builds have equal reports; None when there was no run."""
    run: Json | None = _read_if_exists(path)
    if run is None:
        return None
    return {**run, "figures": {name: value for name, value in run["figures"].items() if name != "duration"}}


def _read_if_exists(path: Path) -> Any:
    return read_json(path) if path.exists() else None
