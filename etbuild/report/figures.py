"""The figures of a variant, from its manifest.json and vela.json, and their text for people. It computes no new figure.

Each figure has a kind: exact (counted or allocated), estimate (Vela's) or measured.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from etbuild.errors import StepError

Json = dict[str, Any]


def variant_figures(manifest: Json, vela: Json | None) -> Json:
    """The figures of a variant by name. vela: None for a variant without an NPU."""
    return {**_exact_figures(manifest), **(_vela_figures(vela["total"]) if vela else _cpu_figures(manifest))}


def read_manifest_and_vela(folder: Path) -> tuple[Json, Json | None]:
    """manifest.json and vela.json of a variant's folder; None instead of the second for a variant without an NPU.

    raises: StepError for a file that is missing or not JSON.
    """
    manifest = read_json(folder / "manifest.json")
    return manifest, read_json(folder / "vela.json") if manifest["target"]["npu"] != "none" else None


def bit_exact_text(run: Json) -> str:
    """How many vectors of a run.json are bit-exact, and the tolerance of the others."""
    text = f"{run['bit_exact']}/{run['vectors']} vectors bit-exact"
    if run["bit_exact"] == run["vectors"]:
        return text
    return f"{text}, the others within {run['tolerance']:g} of the largest output"


def read_json(path: Path) -> Any:
    """The content of a JSON file of an earlier step.

    raises: StepError when it is missing or not JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise StepError(f"{path}: got {error}, wanted the JSON of an earlier step") from error


def exact(value: float, unit: str, source: str) -> Json:
    """A figure that was counted or allocated."""
    return figure(value, unit, "exact", source)


def figure(value: float, unit: str, kind: str, source: str) -> Json:
    """A figure as report.json has it. kind: exact, estimate or measured. source: the file that it comes from."""
    return {"value": value, "unit": unit, "kind": kind, "source": source}


def kib(size: int) -> str:
    """A size in KiB; "" for 0. size: in bytes."""
    return f"{size / 1024:,.1f} KiB" if size else ""


def percent(share: float) -> str:
    """A share of 0 to 1 in percent; only 1 gives 100 %."""
    return "100 %" if share == 1 else f"{min(share * 100, 99.9):.1f} %"


def milliseconds(seconds: float) -> str:
    """A time in ms, with three decimals; in µs where these would be zeros."""
    return f"{seconds * 1e3:.3f} ms" if seconds >= 5e-7 or not seconds else f"{seconds * 1e6:.3f} µs"


def aligned(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table with a header line. Columns without any value are omitted, except the first."""
    shown = [column for column in range(len(titles)) if not column or any(row[column] for row in rows)]
    widths = {column: max(len(line[column]) for line in (titles, *rows)) for column in shown}

    def cell(line: Sequence[str], column: int) -> str:
        return line[column].rjust(widths[column]) if column else line[column].ljust(widths[column])

    return ["  ".join(cell(line, column) for column in shown).rstrip() for line in (titles, *rows)]


def _exact_figures(manifest: Json) -> Json:
    memory = manifest["memory"]
    return {
        "pte_bytes": exact(manifest["pte"]["bytes"], "bytes", "manifest.json"),
        "planned_bytes": exact(sum(memory["planned_bytes"]), "bytes", "manifest.json"),
        "constant_bytes": exact(memory["constant_bytes"], "bytes", "manifest.json"),
        "scratch_bytes": exact(memory["scratch_bytes"], "bytes", "manifest.json"),
        "fast_scratch_bytes": exact(memory["fast_scratch_bytes"], "bytes", "manifest.json"),
        "weight_bytes": exact(memory["weight_bytes"], "bytes", "manifest.json"),
        "command_bytes": exact(memory["command_bytes"], "bytes", "manifest.json"),
        "npu_share": exact(manifest["operators"]["npu_share"], "1", "manifest.json"),
        "macs": exact(manifest["macs"], "MACs", "manifest.json"),
    }


def _vela_figures(total: Json) -> Json:
    """Memory that Vela allocated in each area for weights and activations, and its estimates of cycles and time."""
    memory = total["memory_bytes"]
    return {
        "sram_bytes": exact(memory["sram"], "bytes", "vela.json"),
        "dram_bytes": exact(memory["dram"], "bytes", "vela.json"),
        "flash_bytes": exact(memory["on_chip_flash"] + memory["off_chip_flash"], "bytes", "vela.json"),
        "cycles": figure(total["cycles"]["total"], "cycles", "estimate", "vela.json"),
        "inference_s": figure(total["inference_time_s"], "s", "estimate", "vela.json"),
    }


def _cpu_figures(manifest: Json) -> Json:
    """Memory without an NPU: the planned buffers in SRAM, the program in flash."""
    return {
        "sram_bytes": exact(sum(manifest["memory"]["planned_bytes"]), "bytes", "manifest.json"),
        "dram_bytes": exact(0, "bytes", "manifest.json"),
        "flash_bytes": exact(manifest["pte"]["bytes"], "bytes", "manifest.json"),
    }
