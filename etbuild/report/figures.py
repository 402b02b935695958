"""The figures of one variant, from its manifest.json and vela.json, and how a person reads them. It computes none.

Every figure says its kind: exact (counted or allocated), estimate (Vela's), measured.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from etbuild.errors import StepError

Json = dict[str, Any]


def variant_figures(manifest: Json, vela: Json | None) -> Json:
    """vela: None without an NPU."""
    return {**_exact_figures(manifest), **(_vela_figures(vela["total"]) if vela else _cpu_figures(manifest))}


def read_accounts(folder: Path) -> tuple[Json, Json | None]:
    """manifest.json and vela.json of a variant's folder; None for the second without an NPU.

    raises: StepError for a file that is missing or no JSON.
    """
    manifest = read_json(folder / "manifest.json")
    return manifest, read_json(folder / "vela.json") if manifest["target"]["npu"] != "none" else None


def agreement(run: Json) -> str:
    """How far the outputs of a run.json are golden's, in words."""
    told = f"{run['bit_exact']}/{run['vectors']} vectors bit-exact"
    if run["bit_exact"] == run["vectors"]:
        return told
    return f"{told}, the others within {run['tolerance']:g} of the largest output"


def read_json(path: Path) -> Any:
    """raises: StepError that names the file."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise StepError(f"{path}: got {error}, wanted the JSON of an earlier step") from error


def exact(value: float, unit: str, source: str) -> Json:
    return figure(value, unit, "exact", source)


def figure(value: float, unit: str, kind: str, source: str) -> Json:
    return {"value": value, "unit": unit, "kind": kind, "source": source}


def kib(size: int) -> str:
    return f"{size / 1024:,.1f} KiB" if size else ""


def percent(share: float) -> str:
    """Never rounded up to all."""
    return "100 %" if share == 1 else f"{min(share * 100, 99.9):.1f} %"


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:.3f} ms"


def aligned(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table; a column that is empty in every row is left out, but for the first."""
    shown = [at for at in range(len(titles)) if not at or any(row[at] for row in rows)]
    widths = {at: max(len(line[at]) for line in (titles, *rows)) for at in shown}
    return [
        "  ".join(line[at].rjust(widths[at]) if at else line[at].ljust(widths[at]) for at in shown).rstrip()
        for line in (titles, *rows)
    ]


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
    """Memory is what Vela has allocated in each area for weights and activations; times are its estimates."""
    memory = total["memory_bytes"]
    return {
        "sram_bytes": exact(memory["sram"], "bytes", "vela.json"),
        "dram_bytes": exact(memory["dram"], "bytes", "vela.json"),
        "flash_bytes": exact(memory["on_chip_flash"] + memory["off_chip_flash"], "bytes", "vela.json"),
        "cycles": figure(total["cycles"]["total"], "cycles", "estimate", "vela.json"),
        "inference_s": figure(total["inference_time_s"], "s", "estimate", "vela.json"),
    }


def _cpu_figures(manifest: Json) -> Json:
    """Without an NPU the planned buffers are the working memory, and the program is all that flash holds."""
    return {
        "sram_bytes": exact(sum(manifest["memory"]["planned_bytes"]), "bytes", "manifest.json"),
        "dram_bytes": exact(0, "bytes", "manifest.json"),
        "flash_bytes": exact(manifest["pte"]["bytes"], "bytes", "manifest.json"),
    }
