"""One side of a comparison: the figures, settings, operators and layers of a build, or of a .pte alone.

It reads what earlier steps have written, and computes no new figure. Figures without a file are left out.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from etbuild.errors import UsageError
from etbuild.pte.reader import read
from etbuild.pte.vela import BACKEND, read_stream
from etbuild.report.figures import Json, exact, figure, read_json, variant_figures

FIGURES = {
    "pte": "pte_bytes",
    "sram": "sram_bytes",
    "dram": "dram_bytes",
    "flash": "flash_bytes",
    "planned": "planned_bytes",
    "scratch": "scratch_bytes",
    "fast_scratch": "fast_scratch_bytes",
    "weights": "weight_bytes",
    "commands": "command_bytes",
    "constants": "constant_bytes",
    "code": "code_bytes",
    "static_ram": "static_ram_bytes",
    "time": "inference_s",
    "cycles": "cycles",
    "macs": "macs",
    "npu_share": "npu_share",
    "cpu_operators": "cpu_operators",
    "accuracy": "accuracy",
    "float_accuracy": "float_accuracy",
    "metric": "metric",
    "float_metric": "float_metric",
    "metric_error": "metric_error",
    "error": "error_lsb",
    "bit_exact": "bit_exact",
}
"""The figures that are compared, by the name that people and --fail-if use: the key in report.json where it has one."""


@dataclass(frozen=True)
class ComparedBuild:
    """One .pte with what is known about it.

    label:    what the user named, or made of it.
    variant:  its name; the file's where there is no manifest.
    figures:  by the names of FIGURES.
    settings: the target's and those of each step, by name.
    origin:   versions of tools and SHA-256 of inputs, by name.
    operators: how often each operator runs on the CPU.
    layers:   of Vela, in the order of the stream: delegate, name, operator (Vela's, and the original one), module,
              cycles, macs, sqnr_db.
    pte:      None for a manifest without its .pte.
    """

    label: str
    variant: str
    figures: dict[str, Json] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    origin: dict[str, str] = field(default_factory=dict)
    operators: Counter[str] = field(default_factory=Counter)
    layers: tuple[Json, ...] = ()
    pte: Path | None = None


def build_of_variant(folder: Path, label: str) -> ComparedBuild:
    """The build in a folder with manifest.json.

    raises: StepError when a report of it is not JSON; UsageError when its .pte is another one than its manifest's.
    """
    manifest = read_json(folder / "manifest.json")
    vela = _if_exists(folder / "vela.json") if manifest["target"]["npu"] != "none" else None
    pte = folder / manifest["pte"]["file"]
    figures = _named(_figures_of_manifest(manifest, vela))
    figures |= _named(_evaluated(_if_exists(folder / "evaluate.json"), manifest))
    figures |= _named(_firmware(_if_exists(folder / "sizes.json")) | _run(_if_exists(folder / "run.json")))
    if profile := _profile(folder, manifest):
        figures |= _named(_golden(_if_exists(profile / "golden.json")))
    cpu = {one["operator"]: one["count"] for one in manifest["operators"]["cpu"] if not one["border"]}
    figures["cpu_operators"] = exact(sum(cpu.values()), "operators", "manifest.json")
    settings = {key: _text(value) for key, value in manifest["target"].items()}
    settings |= {f"settings of {step}": " ".join(words) for step, words in manifest.get("settings", {}).items()}
    inputs = {name: digest for name, digest in manifest["digests"].items() if not name.startswith("build/")}
    return ComparedBuild(
        label=label,
        variant=manifest.get("variant", folder.name),
        figures=figures,
        settings=settings,
        origin={**manifest["tools"], **inputs},
        operators=Counter(cpu),
        layers=_layers(vela, _if_exists(folder / "layers.json")),
        pte=pte if pte.is_file() else None,
    )


def build_of_pte(pte: Path, label: str) -> ComparedBuild:
    """A .pte without a manifest: sizes, operators and streams.

    raises: BadPte.
    """
    program = read(pte)
    method = program.methods[0]
    streams = [read_stream(program, one) for one in method.delegates if one.id == BACKEND]
    constants = len(program.segments[program.constants.segment].data) if program.constants else 0
    operators = Counter(str(method.operators[call.operator]) for call in method.kernel_calls())
    sizes = {
        "pte": program.size,
        "planned": sum(method.buffer_sizes[1:]),
        "constants": constants,
        "scratch": max((one.scratch_bytes for one in streams), default=0),
        "weights": sum(one.weights_bytes or 0 for one in streams),
        "commands": sum(one.commands.bytes for one in streams if one.commands),
    }
    figures = {name: exact(size, "bytes", pte.name) for name, size in sizes.items()}
    figures["cpu_operators"] = exact(sum(operators.values()), "operators", pte.name)
    npus = [one.commands.configuration.npu for one in streams if one.commands]
    settings = {"npu": npus[0]} if npus else {}
    return ComparedBuild(label, pte.name, figures, settings, {}, operators, (), pte)


def _figures_of_manifest(manifest: Json, vela: Json | None) -> Json:
    if vela is None and manifest["target"]["npu"] != "none":
        # A manifest whose folder has lost Vela's report: what it says itself.
        known = variant_figures(manifest, None)
        return {key: value for key, value in known.items() if key not in ("sram_bytes", "dram_bytes", "flash_bytes")}
    return variant_figures(manifest, vela)


def _named(figures: Json) -> dict[str, Json]:
    names = {key: name for name, key in FIGURES.items()}
    return {names[key]: value for key, value in figures.items() if key in names}


def _firmware(sizes: Json | None) -> Json:
    return (
        {key: exact(sizes[key], "bytes", "sizes.json") for key in ("code_bytes", "static_ram_bytes")} if sizes else {}
    )


def _run(run: Json | None) -> Json:
    return {"bit_exact": figure(run["bit_exact"] / run["vectors"], "1", "exact", "run.json")} if run else {}


def _evaluated(content: Json | None, manifest: Json) -> Json:
    """The metric on the whole data set; {} where another program was evaluated. An error counts as metric_error."""
    if content is None or content["pte_sha256"] != manifest["pte"]["sha256"]:
        return {}
    values, source = content["values"], "evaluate.json"
    if content["metric"]["name"] == "mae" or content["limits"]["fail_above"] is not None:
        return {"metric_error": figure(values["executed"], "1", "measured", source)}
    names = {"metric": "executed", "float_metric": "float"}
    return {name: figure(values[model], "1", "measured", source) for name, model in names.items()}


def _golden(golden: Json | None) -> Json:
    if golden is None:
        return {}
    error = max((one["lsb"]["max"] for one in golden["outputs"]), default=0)
    right = golden["accuracy"]
    accuracy = {"accuracy": right["reference"], "float_accuracy": right["float"]} if right else {}
    return {
        "error_lsb": exact(error, "LSB", "golden.json"),
        **{name: figure(share, "1", "measured", "golden.json") for name, share in accuracy.items()},
    }


def _profile(folder: Path, manifest: Json) -> Path | None:
    """The folder of the profile that the variant was lowered for, next to its own."""
    lowered = next((Path(name) for name in manifest["digests"] if name.endswith("/lowered.bin")), None)
    return folder.parent / lowered.parent.name if lowered else None


def _layers(vela: Json | None, numbers: Json | None) -> tuple[Json, ...]:
    """numbers: layers.json, which says whose part of the model a layer of Vela is, and how exact."""
    known: dict[tuple[int, str], Json] = {}
    for layer in (numbers or {}).get("layers", ()):
        for part in layer["npu"]:
            errors = layer["errors"]["executed_to_float"] or {}
            known[part["delegate"], part["tensor"]] = {"module": layer["name"], "sqnr_db": errors.get("sqnr_db")}
    return tuple(
        {
            "delegate": delegate["delegate"],
            "name": layer["name"],
            "operator": layer["operator"],
            "original_operator": layer.get("original_operator", layer["operator"]),
            "module": None,
            "sqnr_db": None,
            "cycles": layer["cycles"]["total"],
            "macs": layer["macs"],
            **known.get((delegate["delegate"], layer["name"]), {}),
        }
        for delegate in (vela or {"delegates": []})["delegates"]
        for layer in delegate["layers"]
    )


def _if_exists(path: Path) -> Json | None:
    return read_json(path) if path.exists() else None


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def check_pte(folder: Path) -> None:
    """raises: UsageError when the .pte in a folder is another one than its manifest describes."""
    from etbuild.system.files import sha256

    manifest = read_json(folder / "manifest.json")
    pte = folder / manifest["pte"]["file"]
    if pte.is_file() and (found := sha256(pte)) != manifest["pte"]["sha256"]:
        raise UsageError(f"{pte}: got {found}, wanted {manifest['pte']['sha256']}, that of its manifest.json")
