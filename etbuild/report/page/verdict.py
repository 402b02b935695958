"""The five lines that decide: fits, exact, time, accuracy, CPU; from report.json. They measure nothing."""

from __future__ import annotations

from typing import Any, NamedTuple

from etbuild.report.figures import bit_exact_text, percent
from etbuild.report.page.evaluation import EXECUTED, evaluation_of
from etbuild.report.page.text import size_text, time_text

Json = dict[str, Any]


class Verdict(NamedTuple):
    """One line.

    state: good, warn, bad or unknown. short: the text where several are side by side.
    kind:  of its figure: exact, estimate, measured or "".
    """

    title: str
    state: str
    text: str
    short: str
    detail: str
    kind: str = ""


def verdicts(recipe: str, profile: Json, variant: Json) -> list[Verdict]:
    """Of one variant, as report.json has it with its profile."""
    return [
        _fits(recipe, variant),
        _exact(recipe, profile, variant),
        _time(profile, variant),
        _accuracy(profile, variant.get("evaluate")),
        _cpu(profile, variant),
    ]


def worst(lines: list[Verdict]) -> str:
    """The state of the whole variant."""
    states = {line.state for line in lines}
    return next((state for state in ("bad", "warn") if state in states), "good")


def _fits(recipe: str, variant: Json) -> Verdict:
    firmware, run = variant["firmware"], variant["run"]
    if not firmware:
        text = "not known: the recipe builds no firmware"
        return Verdict("Fits", "unknown", text, "", "the key runtime.board of the recipe adds one")
    regions = [one for one in firmware.get("regions", ()) if one["bytes"]]
    fullest = max(regions, key=lambda one: one["used"] / one["bytes"], default=None)
    detail = ""
    if fullest:
        share = percent(fullest["used"] / fullest["bytes"])
        detail = f"fullest region: {fullest['region']}, {share} of {size_text(fullest['bytes'])}"
    if run and "memory" in run:
        memory = run["memory"]
        detail += f"; arena used: {size_text(memory['arena_used'])} of {size_text(memory['arena'])}"
    return Verdict("Fits", "good", f"on {firmware['board']}", firmware["board"], detail, "exact")


def _exact(recipe: str, profile: Json, variant: Json) -> Verdict:
    run, golden = variant["run"], profile["golden"]
    lsb = golden["lsb"]["value"]
    vectors = golden["vectors"]["value"]
    apart = f"within {lsb:g} LSB" if lsb else "equal"
    detail = f"expected outputs against quantised PyTorch: {apart} on {vectors} vectors"
    if not run or "bit_exact" not in run:
        name = f"doit run:{recipe}@{variant['variant']}"
        return Verdict("Exact", "unknown", "not run", "", f"{name} runs it where run.on of the recipe says; {detail}")
    state = "good" if run["bit_exact"] == run["vectors"] else "warn"
    text, short = f"{bit_exact_text(run)} on {run['runner']}", f"{run['bit_exact']} of {run['vectors']}"
    return Verdict("Exact", state, text, short, detail, "measured")


def _time(profile: Json, variant: Json) -> Verdict:
    figures = variant["figures"]
    if "inference_s" not in figures:
        return Verdict("Time", "unknown", "not known", "", "there is no estimate without an NPU")
    cycles = figures["cycles"]["value"]
    clock = variant["vela"]["delegates"][0]["clock_hz"] if variant["vela"]["delegates"] else 0
    detail = f"Vela's estimate for the NPU alone: {cycles:,} cycles at {clock / 1e6:,.0f} MHz; not measured"
    if profile["operators"]["on_cpu"]:
        detail += "; the operators on the CPU are not in it"
    text = time_text(figures["inference_s"]["value"])
    return Verdict("Time", "good", text, text, detail, "estimate")


def _accuracy(profile: Json, evaluated: Json | None) -> Verdict:
    """On the whole data set if the report has it, else on the test vectors."""
    golden = profile["golden"]
    right = golden["accuracy"]
    outputs = golden["differences"]["outputs"]
    ratios = [one["reference_to_float"]["sqnr_db"] for one in outputs if one["reference_to_float"]["sqnr_db"]]
    decibels = f"{min(ratios):.1f} dB" if ratios else ""
    noise = f"SQNR against the float model: {decibels}" if ratios else ""
    if evaluated and (found := evaluation_of(evaluated)):
        of = dict(found.values)
        is_right = evaluated["metric"]["name"] == "top1"
        short = f"{of[EXECUTED]} right" if is_right else f"{found.title} {of[EXECUTED]}"
        detail = ", ".join(f"{who} {value}" for who, value in found.values if who != EXECUTED)
        detail += f"; {noise}" if noise else ""
        return Verdict("Accuracy", found.state, f"{short} on {found.samples:,} samples", short, detail, "measured")
    if not right:
        text = noise or "not known"
        more = "labels beside the vectors would give a share of right answers"
        return Verdict("Accuracy", "unknown", text, decibels, more)
    shares = {name: figure["value"] for name, figure in right.items()}
    text = f"{percent(shares['reference'])} right on {golden['vectors']['value']} vectors"
    detail = f"float model {percent(shares['float'])}, quantised PyTorch {percent(shares['quantized'])}"
    state = "good" if shares["reference"] >= shares["float"] - 0.01 else "warn"
    short = f"{percent(shares['reference'])} right"
    return Verdict("Accuracy", state, text, short, f"{detail}; {noise}" if noise else detail, "measured")


def _cpu(profile: Json, variant: Json) -> Verdict:
    operators = profile["operators"]
    compute, on_npu = operators["compute"]["value"], operators["compute_on_npu"]["value"]
    if variant["target"]["npu"] == "none":
        return Verdict("On the CPU", "unknown", f"all {compute} operators", "all", "the target has no NPU", "exact")
    if compute == on_npu:
        return Verdict("On the CPU", "good", "nothing", "nothing", f"all {compute} operators are on the NPU", "exact")
    names = ", ".join(dict.fromkeys(one["operator"] for one in operators["on_cpu"]))
    reason = next((one["reason"] for one in operators["on_cpu"] if one["reason"]), "")
    text = f"{compute - on_npu} of {compute} operators: {names}"
    return Verdict("On the CPU", "warn", text, f"{compute - on_npu} of {compute}", " ".join(reason.split()), "exact")
