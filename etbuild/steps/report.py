"""All that is known of a recipe's outputs, in one file: build/<recipe>/report.json; and the closing table of a run.

Every figure says its kind: exact (counted or allocated), estimate (Vela's), measured. It computes no new figure.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etbuild.build_engine.step import Step
from etbuild.errors import exit_code_of
from etbuild.report.figures import (
    Json,
    agreement,
    aligned,
    exact,
    figure,
    kib,
    milliseconds,
    percent,
    read_accounts,
    read_json,
    variant_figures,
)

if TYPE_CHECKING:
    from etbuild.recipe.recipe import Recipe

FORMAT = 1
_OF_PROFILE = ("quantization.json", "partition.json", "golden.json")


def step(recipe: Recipe) -> Step:
    folder = Path("build") / recipe.name
    inputs = [folder / profile / name for profile in recipe.profiles for name in _OF_PROFILE]
    for target in recipe.targets:
        names = {
            "manifest.json": True,
            "vela.json": target.npu != "none",
            "sizes.json": recipe.runtime is not None,
            "run.json": recipe.run.on != "none",
        }
        inputs += [folder / target.variant / name for name, is_made in names.items() if is_made]
    return Step(
        name=f"report:{recipe.name}",
        argv=(
            *("--recipe", recipe.name, "--folder", str(folder)),
            *(word for profile in recipe.profiles for word in ("--profile", profile)),
            *(word for target in recipe.targets for word in ("--variant", f"{target.variant}={target.profile}")),
            *("--output", str(folder / "report.json")),
        ),
        inputs=tuple(inputs),
        outputs=(folder / "report.json",),
        tools=("python",),
    )


def main(argv: Sequence[str]) -> int:
    options = _parser().parse_args(argv)
    profiles = [_profile(options.folder / name, name) for name in options.profile]
    variants = []
    for word in options.variant:
        variant, _, profile = word.rpartition("=")
        variants.append(_variant(options.folder / variant, variant, profile))
    report = {"format": FORMAT, "recipe": options.recipe, "profiles": profiles, "variants": variants}
    options.output.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0


def _profile(folder: Path, name: str) -> Json:
    quantization, partition, golden = (read_json(folder / file) for file in _OF_PROFILE)
    return {
        "profile": name,
        "quantization": {
            "scheme": quantization["scheme"],
            "tensors": len(quantization["tensors"]),
            "accepted": len(quantization["accepted"]),
            "rejected": len(quantization["rejected"]),
        },
        "operators": {
            "compute": exact(partition["compute"], "operators", "partition.json"),
            "compute_on_npu": exact(partition["compute_on_npu"], "operators", "partition.json"),
            "npu_share": exact(partition["npu_share"], "1", "partition.json"),
            "on_cpu": _on_cpu(partition["operators"]),
        },
        "golden": _golden(golden),
    }


def _golden(golden: Json) -> Json:
    """How far the TOSA reference model, the quantised program and the float model are apart on the test vectors."""
    right = golden["accuracy"]
    return {
        "vectors": exact(golden["vectors"], "vectors", "golden.json"),
        "lsb": exact(max((one["lsb"]["max"] for one in golden["outputs"]), default=0), "steps", "golden.json"),
        "accuracy": right and {name: figure(share, "1", "measured", "golden.json") for name, share in right.items()},
        "differences": {"kind": "exact", "source": "golden.json", "outputs": golden["outputs"]},
    }


def _on_cpu(operators: Sequence[Json]) -> list[Json]:
    """Operators that no NPU runs, equal ones together, most frequent first; border operators are not among them."""
    found = Counter(
        (one["operator"], one["reason"], one["line"])
        for one in operators
        if one["place"] == "CPU" and one["class"] == "compute"
    )
    return [
        {"operator": operator, "reason": reason, "line": line, "count": count}
        for (operator, reason, line), count in found.most_common()
    ]


def _variant(folder: Path, variant: str, profile: str) -> Json:
    manifest, vela = read_accounts(folder)
    return {
        "variant": variant,
        "profile": profile,
        "target": manifest["target"],
        "tools": manifest["tools"],
        "pte_sha256": manifest["pte"]["sha256"],
        "figures": variant_figures(manifest, vela),
        "vela": {"kind": "estimate", "source": "vela.json", "delegates": vela["delegates"]} if vela else None,
        "firmware": _read_if_made(folder / "sizes.json"),
        "run": _run(folder / "run.json"),
    }


def _run(path: Path) -> Json | None:
    """What a run found, without the seconds that it took on this machine: equal builds have equal reports."""
    run: Json | None = _read_if_made(path)
    if run is None:
        return None
    return {**run, "figures": {name: value for name, value in run["figures"].items() if name != "duration"}}


def _read_if_made(path: Path) -> Any:
    return read_json(path) if path.exists() else None


def table(reports: Sequence[Json]) -> str:
    """One line a variant of every report, and what the columns mean; no line end."""
    rows = [_row(report, variant) for report in reports for variant in report["variants"]]
    if not rows:
        return ""
    titles = ("", ".pte bytes", "SRAM", "DRAM", "flash", "on NPU", "MACs", "inference", "golden", "right")
    lines = aligned(titles, rows)
    notes = [
        "inference: estimated by Vela, not measured; SRAM, DRAM, flash: as Vela places weights and activations",
        "golden: TOSA reference model against quantised PyTorch on the test vectors; exact means bit for bit",
    ]
    if any(row[-1] for row in rows):
        notes.append("right: vectors answered right by the float model, by quantised PyTorch, by the delegates")
    runs = [line for report in reports for variant in report["variants"] for line in _run_lines(report, variant)]
    return "\n".join((*lines, *notes, *(["", *runs] if runs else [])))


def _run_lines(report: Json, variant: Json) -> list[str]:
    """What ran where, and how large the firmware is."""
    name, run, firmware = f"{report['recipe']}@{variant['variant']}", variant["run"], variant["firmware"]
    lines = []
    if firmware:
        lines.append(
            f"{name}  firmware for {firmware['board']}: code {firmware['code_bytes']:,} bytes, static RAM "
            f"{firmware['static_ram_bytes']:,}, stack {firmware['stack_bytes']:,}, model {firmware['model_bytes']:,}"
        )
    if run:
        lines.append(f"{name}  run on {run['runner']}: {agreement(run)}")
    return lines


def _row(report: Json, variant: Json) -> tuple[str, ...]:
    figures = {name: figure["value"] for name, figure in variant["figures"].items()}
    golden = next(one["golden"] for one in report["profiles"] if one["profile"] == variant["profile"])
    right = golden["accuracy"]
    return (
        f"{report['recipe']}@{variant['variant']}",
        f"{figures['pte_bytes']:,}",
        *(kib(figures[f"{area}_bytes"]) for area in ("sram", "dram", "flash")),
        percent(figures["npu_share"]),
        _macs(figures["macs"]),
        milliseconds(figures["inference_s"]) if "inference_s" in figures else "",
        f"{golden['vectors']['value']} vectors {_apart(golden['lsb']['value'])}",
        ", ".join(percent(right[who]["value"]) for who in ("float", "quantized", "reference")) if right else "",
    )


def _macs(count: int) -> str:
    return f"{count / 1e6:,.1f} M" if count >= 1e6 else f"{count:,}" if count else ""


def _apart(steps: float) -> str:
    return "exact" if steps == 0 else f"within {steps:g} step{'' if steps == 1 else 's'}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m etbuild.steps.report", description=__doc__, allow_abbrev=False)
    parser.add_argument("--recipe", required=True, help="its name")
    parser.add_argument("--folder", type=Path, required=True, help="build/<recipe>")
    parser.add_argument("--profile", action="append", default=[], help="a folder in it with golden.json and so on")
    parser.add_argument(
        "--variant", action="append", default=[], help="NAME=PROFILE, a folder in it with manifest.json"
    )
    parser.add_argument("--output", type=Path, required=True, help="report.json, to be written")
    return parser


if __name__ == "__main__":
    sys.exit(exit_code_of(main, sys.argv[1:]))
