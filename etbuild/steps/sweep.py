"""The variants of a recipe side by side: build/<recipe>/sweep.json and sweep.csv, and the table that doit prints.

It reads what Vela and the .pte say of themselves, so that nothing has to be run or built into a firmware. A variant is
on the Pareto front when no other one is as good in all of OBJECTIVES and better in one.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import math
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from etbuild.build_engine.step import Step
from etbuild.errors import UsageError, exit_code_of
from etbuild.report.figures import Json, aligned, kib, milliseconds, percent, read_accounts, variant_figures

if TYPE_CHECKING:
    from etbuild.recipe.recipe import Recipe

FORMAT = 1
FIGURES = ("pte_bytes", "sram_bytes", "dram_bytes", "flash_bytes", "npu_share", "inference_s")
# Less is better. DRAM is among them: else weights that lie there would count as free.
OBJECTIVES = ("pte_bytes", "sram_bytes", "dram_bytes", "flash_bytes", "inference_s")
SETTINGS = ("npu", "system_config", "memory_mode", "optimise", "arena_cache_size_bytes")
# What --fit can limit. All of them are objectives, so the front of those that fit is part of the whole front.
LIMITED = {"PTE": "pte_bytes", "SRAM": "sram_bytes", "DRAM": "dram_bytes", "FLASH": "flash_bytes"}
_MOST_BYTES = 1 << 62
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def step(recipe: Recipe) -> Step:
    folder = Path("build") / recipe.name
    inputs: list[Path] = []
    for target in recipe.targets:
        accounts = ("manifest.json", "vela.json") if target.npu != "none" else ("manifest.json",)
        inputs += [folder / target.variant / name for name in accounts]
    return Step(
        name=f"sweep:{recipe.name}",
        argv=(
            *("--recipe", recipe.name, "--folder", str(folder)),
            *(word for target in recipe.targets for word in ("--variant", target.variant)),
        ),
        inputs=tuple(inputs),
        outputs=(folder / "sweep.json", folder / "sweep.csv"),
        tools=("python",),
    )


def limits(text: str) -> dict[str, int]:
    """Bytes a figure may have at most, of "SRAM=2M,FLASH=4M"; K, M and G are powers of 1024, KiB the same as K.

    raises: UsageError.
    """
    found: dict[str, int] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        match = re.fullmatch(r"(\w+)\s*=\s*(\d+(?:\.\d+)?)\s*([KMG]?)(?:i?B)?", part, re.IGNORECASE)
        figure = LIMITED.get(match[1].upper()) if match else None
        size = float(match[2]) * _UNITS[match[3].upper()] if match else math.inf
        if figure is None or figure in found or size >= _MOST_BYTES:
            wanted = f"each of {', '.join(LIMITED)} at most once, with a size such as SRAM=512K,FLASH=4M"
            raise UsageError(f'--fit: got "{part}", wanted {wanted}')
        found[figure] = int(size)
    return found


def limits_text(bytes_of: Mapping[str, int]) -> str:
    """One text for limits that mean the same; `limits` reads it."""
    return ",".join(f"{name}={_size_text(bytes_of[figure])}" for name, figure in LIMITED.items() if figure in bytes_of)


def main(argv: Sequence[str]) -> int:
    options = _parser().parse_args(argv)
    at_most = limits(options.fit)
    variants = [_variant(options.folder / name, name, at_most) for name in options.variant]
    front = pareto_front([_objectives(variant) for variant in variants])
    for variant, is_best in zip(variants, front, strict=True):
        variant["front"] = is_best
    sweep = {"format": FORMAT, "recipe": options.recipe, "fit": at_most, "variants": variants}
    (options.folder / "sweep.json").write_text(json.dumps(sweep, indent=1) + "\n", encoding="utf-8")
    (options.folder / "sweep.csv").write_text(_csv(variants), encoding="utf-8")
    return 0


def pareto_front(points: Sequence[tuple[float, ...]]) -> list[bool]:
    """Of each point, whether no other is at most as large in every place and smaller in one."""
    return [
        not any(other != point and all(a <= b for a, b in zip(other, point, strict=True)) for other in points)
        for point in points
    ]


def table(sweep: Json) -> str:
    """The variants that fit, one a line, and what the columns mean; no line end."""
    fitting = [variant for variant in sweep["variants"] if variant["fits"]]
    lines = []
    if fitting:
        titles = ("", "front", ".pte bytes", "SRAM", "DRAM", "flash", "on NPU", "Vela's estimate")
        lines = aligned(titles, [_row(sweep["recipe"], variant) for variant in fitting])
        lines += [
            "front: no other variant is as good in .pte bytes, SRAM, DRAM, flash and time, and better in one",
            "Vela's estimate: of the time of one inference, not measured; SRAM, DRAM, flash: as Vela places tensors",
        ]
    if sweep["fit"]:
        count = f"{len(fitting)} of {len(sweep['variants'])} variants of {sweep['recipe']} fit"
        lines.append(f"{count} {limits_text(sweep['fit'])}")
    return "\n".join((*lines, f"all figures: build/{sweep['recipe']}/sweep.csv, sweep.json"))


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


def _size_text(size: int) -> str:
    """Exact, in the largest unit that goes into it: 2M, 640K, 1000."""
    unit, one = next((unit, one) for unit, one in reversed(_UNITS.items()) if size % one == 0 and (size or not unit))
    return f"{size // one}{unit}"


def _csv(variants: Iterable[Json]) -> str:
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


def _row(recipe: str, variant: Json) -> tuple[str, ...]:
    figures = {name: figure["value"] for name, figure in variant["figures"].items()}
    return (
        f"{recipe}@{variant['variant']}",
        "*" if variant["front"] else "",
        f"{figures['pte_bytes']:,}",
        *(kib(figures[f"{area}_bytes"]) for area in ("sram", "dram", "flash")),
        percent(figures["npu_share"]),
        milliseconds(figures["inference_s"]) if "inference_s" in figures else "",
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m etbuild.steps.sweep", description=__doc__, allow_abbrev=False)
    parser.add_argument("--recipe", required=True, help="its name")
    parser.add_argument("--folder", type=Path, required=True, help="build/<recipe>; sweep.json and sweep.csv go there")
    parser.add_argument("--variant", action="append", default=[], help="a folder in it with manifest.json")
    parser.add_argument("--fit", default="", metavar="SRAM=2M,FLASH=4M", help="what a variant may take at most")
    return parser


if __name__ == "__main__":
    sys.exit(exit_code_of(main, sys.argv[1:]))
