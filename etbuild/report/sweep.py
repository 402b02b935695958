"""The variants of a recipe next to each other: sweep.json, sweep.csv, and which are on the Pareto front.

It reads what Vela and the .pte report, so that nothing has to be run or built into a firmware. A variant is on the Pareto
front when no other one is as good in all of OBJECTIVES and better in one.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from etbuild.errors import UsageError
from etbuild.report.figures import Json, read_accounts, variant_figures
from etbuild.system.sizes import exact_size, parse_size

FORMAT = 1
FIGURES = ("pte_bytes", "sram_bytes", "dram_bytes", "flash_bytes", "npu_share", "inference_s")
# Less is better. DRAM is among them: else weights that lie there would count as free.
OBJECTIVES = ("pte_bytes", "sram_bytes", "dram_bytes", "flash_bytes", "inference_s")
SETTINGS = ("npu", "system_config", "memory_mode", "optimise", "arena_cache_size_bytes")
# What --fit can limit. All of them are objectives, so the front of those that fit is part of the whole front.
LIMITED = {"PTE": "pte_bytes", "SRAM": "sram_bytes", "DRAM": "dram_bytes", "FLASH": "flash_bytes"}


def limits(text: str) -> dict[str, int]:
    """Bytes that a figure may have at most, from "SRAM=2M,FLASH=4M".

    raises: UsageError.
    """
    found: dict[str, int] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, size_text = part.partition("=")
        figure, size = LIMITED.get(name.strip().upper()), parse_size(size_text)
        if figure is None or figure in found or size is None:
            wanted = f"each of {', '.join(LIMITED)} at most once, with a size such as SRAM=512K,FLASH=4M"
            raise UsageError(f'--fit: got "{part}", wanted {wanted}')
        found[figure] = size
    return found


def limits_text(bytes_of: Mapping[str, int]) -> str:
    """One text for limits that mean the same; `limits` reads it."""
    return ",".join(f"{name}={exact_size(bytes_of[figure])}" for name, figure in LIMITED.items() if figure in bytes_of)


def sweep(recipe: str, folder: Path, variants: Sequence[str], at_most: Mapping[str, int]) -> Json:
    """sweep.json. folder: build/<recipe>; at_most: from `limits`."""
    rows = [_variant(folder / name, name, at_most) for name in variants]
    front = pareto_front([_objectives(row) for row in rows])
    for row, is_best in zip(rows, front, strict=True):
        row["front"] = is_best
    return {"format": FORMAT, "recipe": recipe, "fit": at_most, "variants": rows}


def pareto_front(points: Sequence[tuple[float, ...]]) -> list[bool]:
    """Of each point, whether no other is at most as large in every place and smaller in one."""
    return [
        not any(other != point and all(a <= b for a, b in zip(other, point, strict=True)) for other in points)
        for point in points
    ]


def _variant(folder: Path, name: str, at_most: Mapping[str, int]) -> Json:
    manifest, vela = read_accounts(folder)
    known = variant_figures(manifest, vela)
    figures = {figure: known[figure] for figure in FIGURES if figure in known}
    return {
        "variant": name,
        "target": manifest["target"],
        "pte_sha256": manifest["pte"]["sha256"],
        "figures": figures,
        "fits": all(figures[figure]["value"] <= most for figure, most in at_most.items()),
    }


def _objectives(variant: Json) -> tuple[float, ...]:
    """A time that nobody has estimated (no NPU) counts as the longest."""
    return tuple(variant["figures"][name]["value"] if name in variant["figures"] else math.inf for name in OBJECTIVES)


def csv_text(variants: Iterable[Json]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    titles = [f"vela_estimated_{name}" if name == "inference_s" else name for name in FIGURES]
    writer.writerow(("variant", *SETTINGS, *titles, "fits", "front"))
    for variant in variants:
        figures = [variant["figures"].get(name, {"value": ""})["value"] for name in FIGURES]
        settings = ["" if variant["target"][name] is None else variant["target"][name] for name in SETTINGS]
        marks = ["yes" if variant[mark] else "no" for mark in ("fits", "front")]
        writer.writerow((variant["variant"], *settings, *figures, *marks))
    return text.getvalue()
