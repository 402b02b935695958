"""report.html: what the steps of a recipe have written, on one page. It computes no figure that a step has not."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from etbuild.report.figures import read_json
from etbuild.report.page import charts, layers, verdict
from etbuild.report.page.accuracy import Answers, answers_of
from etbuild.report.page.evaluation import Evaluation, evaluation_of
from etbuild.report.page.graph_rows import GraphRows, graph_rows
from etbuild.report.page.memory import Placed, Plan, placed_buffers, plan_of
from etbuild.report.page.method_nodes import distinct
from etbuild.report.page.numbers import Inside, inside
from etbuild.report.page.render import rendered
from etbuild.report.page.sensitivity import Sensitivity, sensitivity_of
from etbuild.report.page.sizes import Symbol, symbols
from etbuild.report.page.text import size_text
from etbuild.report.page.weights import Encoded, encoded_weights, sparsity_text
from etbuild.report.sweep import pareto_front, sweep

Json = dict[str, Any]

PARTS = (
    ("verdict", "Verdict"),
    ("graph", "Graph"),
    ("memory", "Memory"),
    ("time", "Time"),
    ("numbers", "Numbers"),
    ("accuracy", "Accuracy"),
    ("weights", "Weights"),
    ("firmware", "Firmware"),
)
COMMON_PARTS = (("variants", "Variants"), ("pipeline", "Pipeline"), ("reproduce", "Reproduce"))
STATES = {"good": "good", "warn": "look", "bad": "bad", "unknown": "not known"}
WHOLE = {"good": "all well", "warn": "worth a look", "bad": "bad"}
MEMORY = {
    "planned": ("planned buffers", None),
    "arena_used": ("arena", "arena"),
    "scratch_used": ("scratch", "scratch"),
    "fast_scratch": ("fast scratch", None),
    "stack_used": ("stack", "stack"),
}
WHO = {"float": "float model", "quantized": "quantised PyTorch", "reference": "expected outputs"}


class Variant(NamedTuple):
    """What the page shows of one variant."""

    name: str
    state: str
    state_text: str
    target_text: str
    verdicts: Sequence[verdict.Verdict]
    tiles: Sequence[tuple[str, str]]
    on_cpu: Sequence[Json]
    graph: GraphRows
    regions: Sequence[Json]
    run_memory: Sequence[tuple[str, int, int | None]]
    run_figures: Mapping[str, Json]
    staging: charts.Columns | None
    staging_peak: str
    placed: Sequence[tuple[str, charts.Columns, Sequence[Placed]]]
    plan: Plan | None
    layers: Sequence[layers.Layer]
    lines: Sequence[layers.Line]
    resources: Sequence[str]
    most_share: float
    time_text: str
    outputs: Sequence[Json]
    inside: Inside
    shares: Sequence[tuple[str, float]]
    evaluation: Evaluation | None
    sensitivity: Sensitivity | None
    answers: Answers | None
    weights: Sequence[Encoded]
    sparsity: Sequence[Json]
    sparsity_text: str
    firmware: Json | None
    users: Sequence[tuple[str, Json]]
    symbols: Sequence[Symbol]


class Row(NamedTuple):
    """A variant beside the others. sizes: of .pte, SRAM, DRAM and flash; seconds: None without an estimate."""

    name: str
    front: bool
    sizes: tuple[int, int, int, int]
    npu_share: float
    seconds: float | None


class Page(NamedTuple):
    """What the page shows of a recipe."""

    variants: Sequence[Variant]
    sweep: Sequence[Row]
    pareto: charts.Scatter | None
    tools: Mapping[str, str]
    digests: Sequence[tuple[str, str]]


def recipe_page(report: Json, folder: Path) -> str:
    """The text of report.html. report: the content of report.json; folder: build/<recipe>."""
    profiles = {one["profile"]: one for one in report["profiles"]}
    variants = [_variant(report["recipe"], one, profiles[one["profile"]], folder) for one in report["variants"]]
    rows = _rows(report, folder)
    page = Page(variants, rows, _pareto(rows), report["variants"][0]["tools"], _digests(report, folder))
    return rendered(
        "report.html.j2",
        {
            "recipe": report["recipe"],
            "page": page,
            "parts": PARTS,
            "common_parts": COMMON_PARTS,
            "state_names": STATES,
        },
    )


def _variant(recipe: str, variant: Json, profile: Json, base: Path) -> Variant:
    folder, lowering = base / variant["variant"], base / profile["profile"]
    delegates = variant["vela"]["delegates"] if variant["vela"] else []
    made_from = _tensors(lowering / "operators.json")
    found = layers.layers_of(delegates, made_from)
    partition = read_json(lowering / "partition.json")
    numbers = inside(variant.get("layers"))
    lines = verdict.verdicts(recipe, profile, variant)
    firmware, run = variant["firmware"], variant["run"] or {}
    peak = max(found, key=lambda one: one.staging_bytes, default=None)
    right = profile["golden"]["accuracy"] or {}
    return Variant(
        name=variant["variant"],
        state=verdict.worst(lines),
        state_text=WHOLE[verdict.worst(lines)],
        target_text=_target(variant["target"]),
        verdicts=lines,
        tiles=_tiles(variant),
        on_cpu=profile["operators"]["on_cpu"] if variant["target"]["npu"] != "none" else (),
        graph=graph_rows(*distinct(partition["operators"], found), numbers),
        regions=_regions(firmware),
        run_memory=_run_memory(run.get("memory") or {}),
        run_figures=run.get("figures") or {},
        staging=_staging(found),
        staging_peak=f"{size_text(peak.staging_bytes)} in layer {peak.number}, {peak.operator}" if peak else "",
        placed=_placed(delegates, len(found)),
        plan=_if_exists(folder / "model.pte", plan_of),
        layers=found,
        lines=layers.lines_of(found, {one["line"]: one.get("text") or "" for one in partition["operators"]}),
        resources=[name for name in layers.RESOURCES.values() if any(name in one.by for one in found)],
        most_share=max((one.share for one in found), default=1) or 1,
        time_text=_time_text(found),
        outputs=profile["golden"]["differences"]["outputs"],
        inside=numbers,
        evaluation=evaluation_of(variant.get("evaluate")),
        sensitivity=sensitivity_of(variant.get("sensitivity")),
        shares=[(WHO[name], figure["value"]) for name, figure in right.items()],
        answers=_if_exists(lowering / "golden.npz", answers_of) if right else None,
        weights=encoded_weights(delegates, folder / "vela"),
        sparsity=variant["weights"]["layers"],
        sparsity_text=sparsity_text(variant["weights"]["layers"]),
        firmware=firmware,
        users=list((firmware or {}).get("users", {}).items()),
        symbols=_if_exists(folder / "firmware.map", _symbols) or (),
    )


def _symbols(path: Path) -> list[Symbol]:
    return symbols(path.read_text(encoding="utf-8", errors="replace").splitlines())


def _if_exists(path: Path, read: Callable[[Path], Any]) -> Any:
    return read(path) if path.exists() else None


def _tensors(path: Path) -> list[Mapping[str, Json]]:
    return read_json(path)["delegates"] if path.exists() else []


def _target(target: Json) -> str:
    words = [target["npu"] if target["npu"] != "none" else "no NPU", target["system_config"], target["memory_mode"]]
    return ", ".join(filter(None, (*words, f"optimised for {target['optimise']}" if target["npu"] != "none" else "")))


def _tiles(variant: Json) -> list[tuple[str, str]]:
    figures = {name: one["value"] for name, one in variant["figures"].items()}
    names = {"pte_bytes": ".pte", "sram_bytes": "SRAM", "dram_bytes": "DRAM", "flash_bytes": "flash"}
    return [(title, size_text(figures[name])) for name, title in names.items() if figures[name]] + [
        ("MACs", f"{figures['macs'] / 1e6:,.1f} M")
    ]


def _regions(firmware: Json | None) -> list[Json]:
    """Those of sizes.json with each section's share."""
    if not firmware:
        return []
    return [
        {
            **one,
            "share_text": f"{one['used'] * 100 / one['bytes']:.1f} %" if one["bytes"] else "0 %",
            "parts": [
                {"section": name, "bytes": size, "percent": size * 100 / one["bytes"] if one["bytes"] else 0}
                for name, size in one["sections"].items()
            ],
        }
        for one in firmware.get("regions", ())
    ]


def _run_memory(memory: Json) -> list[tuple[str, int, int | None]]:
    return [(title, memory[name], memory[of] if of else None) for name, (title, of) in MEMORY.items() if name in memory]


def _staging(found: Sequence[layers.Layer]) -> charts.Columns | None:
    if not found:
        return None
    texts = [f"{one.number}: {one.operator}, {size_text(one.staging_bytes)}" for one in found]
    return charts.columns([one.staging_bytes for one in found], texts, "NPU's operation", "bytes")


def _placed(delegates: Sequence[Json], layers_: int) -> list[tuple[str, charts.Columns, list[Placed]]]:
    """For each memory: its buffers as a chart, and those that are in use when most bytes are, largest first."""
    found = placed_buffers(delegates)
    made = []
    for memory in sorted({one.memory for one in found}):
        own = [one for one in found if one.memory == memory]
        used = [sum(one.bytes for one in own if one.first <= number <= one.last) for number in range(layers_)]
        top = used.index(max(used))
        peak = sorted((one for one in own if one.first <= top <= one.last), key=lambda one: (-one.bytes, one.offset))
        spans = [
            charts.Span(
                one.first,
                one.last,
                one.offset,
                one.bytes,
                f"{one.name}, {size_text(one.bytes)}, operations {one.first} to {one.last}",
                one.first <= top <= one.last,
            )
            for one in own
        ]
        made.append((memory, charts.spans(spans, layers_, "NPU's operation", "address"), peak))
    return made


def _time_text(found: Sequence[layers.Layer]) -> str:
    total = sum(one.cycles for one in found)
    if not total:
        return ""
    longest = sorted((one.cycles for one in found), reverse=True)
    half = next(count for count in range(1, len(longest) + 1) if 2 * sum(longest[:count]) >= total)
    by = Counter[str]()
    for one in found:
        by[one.bound] += one.cycles
    shares = ", ".join(f"{name} {cycles * 100 / total:.0f} %" for name, cycles in by.most_common())
    return (
        f"{total:,} cycles in {len(found)} operations of the NPU, as Vela models them, not measured; "
        f"{'1 takes' if half == 1 else f'{half} take'} half of the time or more. Bound by: {shares}."
    )


def _rows(report: Json, folder: Path) -> list[Row]:
    found = sweep(report["recipe"], folder, [one["variant"] for one in report["variants"]], {})["variants"]
    rows = []
    for one in found:
        value = {name: figure["value"] for name, figure in one["figures"].items()}
        sizes = value["pte_bytes"], value["sram_bytes"], value["dram_bytes"], value["flash_bytes"]
        rows.append(Row(one["variant"], one["front"], sizes, value["npu_share"], value.get("inference_s")))
    return rows


def _pareto(rows: Sequence[Row]) -> charts.Scatter | None:
    timed = [row for row in rows if row.seconds is not None]
    if len(timed) < 2:
        return None
    best = pareto_front([(row.seconds or 0.0, float(row.sizes[1])) for row in timed])
    dots = [
        charts.Dot(row.name, (row.seconds or 0.0) * 1e3, row.sizes[1], is_best)
        for row, is_best in zip(timed, best, strict=True)
    ]
    return charts.scatter(dots, "ms for an inference, estimated by Vela", "SRAM")


def _digests(report: Json, folder: Path) -> list[tuple[str, str]]:
    found = dict[str, str]()
    for one in report["variants"]:
        manifest = read_json(folder / one["variant"] / "manifest.json")
        found |= manifest.get("digests", {})
        found[str(folder / one["variant"] / "model.pte")] = one["pte_sha256"]
    return sorted(found.items())


def json_of(value: object) -> str:
    """JSON that may stand inside a script of a page."""
    return json.dumps(value).replace("<", "\\u003c")
