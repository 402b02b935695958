"""Compares the variants of a recipe: sweep.json, sweep.csv and the Pareto front.

It uses figures from Vela and the .pte only, so no variant needs to be run or built into a firmware. A variant is on the
Pareto front when no other variant is at least as good in all OBJECTIVES and better in one.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from etbuild.errors import UsageError
from etbuild.report.figures import Json, read_manifest_and_vela, variant_figures
from etbuild.system.sizes import exact_size, parse_size

FORMAT = 1
FIGURES = ("pte_bytes", "sram_bytes", "dram_bytes", "flash_bytes", "npu_share", "inference_s")
# Less is better. DRAM is one of them: otherwise weights in DRAM would cost nothing.
OBJECTIVES = ("pte_bytes", "sram_bytes", "dram_bytes", "flash_bytes", "inference_s")
SETTINGS = ("npu", "system_config", "memory_mode", "optimise", "arena_cache_size_bytes")
# The figures that --fit can limit. All are objectives, so the front of the variants that fit is a part of the whole.
LIMITED = {"PTE": "pte_bytes", "SRAM": "sram_bytes", "DRAM": "dram_bytes", "FLASH": "flash_bytes"}


def limits(text: str) -> dict[str, int]:
    """The largest accepted bytes by figure, from a text such as "SRAM=2M,FLASH=4M".

    raises: UsageError for another text.
    """
    found: dict[str, int] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, size_text = part.partition("=")
        figure, size = LIMITED.get(name.strip().upper()), parse_size(size_text.replace(" ", ""))
        if figure is None or figure in found or size is None:
            wanted = f"each of {', '.join(LIMITED)} at most once, with a size such as SRAM=512K,FLASH=4M"
            raise UsageError(f'--fit: got "{part}", wanted {wanted}')
        found[figure] = size
    return found


def limits_text(bytes_of: Mapping[str, int]) -> str:
    """The inverse of `limits`; equal limits give equal texts."""
    return ",".join(f"{name}={exact_size(bytes_of[figure])}" for name, figure in LIMITED.items() if figure in bytes_of)


def sweep(recipe: str, folder: Path, variants: Sequence[str], at_most: Mapping[str, int]) -> Json:
    """The content of sweep.json.

    folder:  build/<recipe>.
    at_most: from `limits`.
    raises:  StepError when a report of an earlier step is missing.
    """
    rows = [_variant(folder / name, name, at_most) for name in variants]
    front = pareto_front([_objectives(row) for row in rows])
    for row, is_best in zip(rows, front, strict=True):
        row["front"] = is_best
    return {"format": FORMAT, "recipe": recipe, "fit": at_most, "variants": rows}


def pareto_front(points: Sequence[tuple[float, ...]]) -> list[bool]:
    """For each point, whether no other point is at most as large in all coordinates and smaller in one."""
    return [
        not any(other != point and all(a <= b for a, b in zip(other, point, strict=True)) for other in points)
        for point in points
    ]


def _variant(folder: Path, name: str, at_most: Mapping[str, int]) -> Json:
    manifest, vela = read_manifest_and_vela(folder)
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
    """The values to minimise; without an NPU there is no estimate of the time, which counts as infinite."""
    return tuple(variant["figures"][name]["value"] if name in variant["figures"] else math.inf for name in OBJECTIVES)


def csv_text(variants: Iterable[Json]) -> str:
    """The content of sweep.csv. variants: of sweep.json."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    titles = [f"vela_estimated_{name}" if name == "inference_s" else name for name in FIGURES]
    writer.writerow(("variant", *SETTINGS, *titles, "fits", "front"))
    for variant in variants:
        figures = [variant["figures"].get(name, {"value": ""})["value"] for name in FIGURES]
        settings = ["" if variant["target"][name] is None else variant["target"][name] for name in SETTINGS]
        flags = ["yes" if variant[key] else "no" for key in ("fits", "front")]
        writer.writerow((variant["variant"], *settings, *figures, *flags))
    return text.getvalue()
