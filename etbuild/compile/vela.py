"""Runs Vela on a delegate's TOSA graph: command stream, estimates, debug database. It does not import PyTorch.

All times and cycle counts are Vela's estimates.
"""

from __future__ import annotations

import contextlib
import csv
import io
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etbuild.compile import delegate_states
from etbuild.compile.delegate_calls import check_stream
from etbuild.compile.vela_flags import vela_flags
from etbuild.compile.vela_refusals import reasons
from etbuild.compile.weight_zeros import weights_of
from etbuild.errors import StepError
from etbuild.npu.channel_scales import shortages
from etbuild.npu.command_stream import parse_payload
from etbuild.npu.debug_database import normalised, numbered_from_1, read_layers
from etbuild.npu.vela_estimates import read_allocation
from etbuild.pte.vela import blocks_of, pack_npz

if TYPE_CHECKING:
    from etbuild.hardware.target import Target

# Not in the .pte's compile flags: they add reports, and leave the command stream unchanged.
_REPORT_FLAGS = ("--verbose-performance", "--enable-debug-db")
_CYCLES = ("npu", "sram_access", "dram_access", "on_chip_flash_access", "off_chip_flash_access", "total")
_AREAS = {"SRAM": "sram", "DRAM": "dram", "On-chip Flash": "on_chip_flash", "Off-chip Flash": "off_chip_flash"}


def estimate(content: bytes, target: Target) -> dict[str, Any]:
    """The row of vela.json of a graph that is compiled for its figures alone. raises: as `compile_delegate`."""
    with tempfile.TemporaryDirectory() as folder:
        graph, output = Path(folder) / "0.tosa", Path(folder) / "vela"
        graph.write_bytes(content)
        output.mkdir()
        return compile_delegate(graph, target, output)


def compile_delegate(graph: Path, target: Target, output: Path) -> dict[str, Any]:
    """Compile one graph.

    graph:  <n>.tosa, n being the delegate's number.
    output: folder for <n>.bin (the delegate's data), <n>_summary.csv, <n>_per-layer.csv and <n>_debug.xml.
    return: the delegate's row of vela.json: cycles, times in seconds, sizes in bytes.
    raises: StepError with Vela's message, when its stream has other inputs or outputs than the graph, and when a
            convolution in it has fewer scales than channels.
    """
    import numpy as np

    number = int(graph.stem)
    scratch = output / "scratch"
    scratch.mkdir()
    _run_vela(graph, (*vela_flags(target), *_REPORT_FLAGS, f"--output-dir={scratch}", str(graph)))
    with np.load(scratch / f"{graph.stem}_vela.npz", allow_pickle=False) as arrays:
        stream = pack_npz(arrays)
        check_stream(number, graph.read_bytes(), stream, delegate_states.read(graph.parent, number))
        scratch_bytes, fast_bytes = int(arrays["scratch_size"]), int(arrays["scratch_fast_size"])
    (output / f"{graph.stem}.bin").write_bytes(stream)
    summary = scratch / f"{graph.stem}_summary_{target.system_config}.csv"
    summary.replace(output / f"{graph.stem}_summary.csv")
    per_layer, debug = scratch / f"{graph.stem}_per-layer.csv", scratch / f"{graph.stem}_debug.xml"
    texts = [path.read_text(encoding="utf-8") if path.exists() else "" for path in (per_layer, debug)]
    for path, text in zip((per_layer, debug), numbered_from_1(texts), strict=True):
        if path.exists():
            (output / path.name).write_text(normalised(text) if path == debug else text, encoding="utf-8")
    shutil.rmtree(scratch)
    blocks = {block.name: bytes(block.data or b"") for block in blocks_of(stream)}
    _check_scales(number, blocks["cmd_data"], output / debug.name)
    sizes = {name: len(data) for name, data in blocks.items()}
    return {
        "delegate": number,
        **_summary(output / f"{graph.stem}_summary.csv", sizes["weight_data"]),
        "scratch_bytes": scratch_bytes,
        "fast_scratch_bytes": fast_bytes,
        "weight_bytes": sizes["weight_data"],
        "command_bytes": sizes["cmd_data"],
        "weights": weights_of(graph.read_bytes()),
        "layers": _layers(output / f"{graph.stem}_per-layer.csv"),
        "buffers": _buffers(output / debug.name, bool(fast_bytes)),
    }


def total(delegates: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The sum over a model's delegates, as vela.json has it.

    They run one after the other, so constants add up, and of the working memory the largest counts.
    delegates: from `compile_delegate`.
    """
    areas = _AREAS.values()
    constants = {area: sum(one["constant_bytes"][area] for one in delegates) for area in areas}
    working = {
        area: max((one["memory_bytes"][area] - one["constant_bytes"][area] for one in delegates), default=0)
        for area in areas
    }
    return {
        "macs": sum(one["macs"] for one in delegates),
        "cycles": {kind: sum(one["cycles"][kind] for one in delegates) for kind in _CYCLES},
        "inference_time_s": sum(one["inference_time_s"] for one in delegates),
        "memory_bytes": {area: constants[area] + working[area] for area in areas},
        "scratch_bytes": max((one["scratch_bytes"] for one in delegates), default=0),
        "fast_scratch_bytes": max((one["fast_scratch_bytes"] for one in delegates), default=0),
        "weight_bytes": sum(one["weight_bytes"] for one in delegates),
        "command_bytes": sum(one["command_bytes"] for one in delegates),
    }


def _check_scales(delegate: int, payload: bytes, debug: Path) -> None:
    """raises: StepError that names the first convolution with fewer scales than channels, and its layer."""
    short = next(shortages(parse_payload(payload)), None)
    if short is None:
        return
    layer = read_layers(debug).at(short.word) if debug.exists() else ""
    raise StepError(
        f"delegate {delegate}{f', layer {layer}' if layer else ''}: {short}\n"
        "    a fault of Vela, not of the model: an NPU would read beyond them; a rule of quantize.rules that gives the "
        "layer's\n    module another scheme avoids it"
    )


def _run_vela(graph: Path, flags: Sequence[str]) -> None:
    from ethosu.vela import vela

    stderr = io.StringIO()
    try:
        with contextlib.redirect_stderr(stderr):
            code = vela.main(list(flags))
        problem = f"exit code {code}" if code else ""
    except SystemExit as error:
        lines = stderr.getvalue().strip().splitlines() or [f"exit code {error.code}"]
        problem = lines[-1].removeprefix("vela: error: ")
    except Exception as error:
        problem = " ".join(str(getattr(error, "data", error)).split()).removeprefix("Error: ") or type(error).__name__
    sys.stderr.write(stderr.getvalue())
    if problem:
        why = "".join(f"\n    {line}" for line in reasons(graph.read_bytes(), problem))
        raise StepError(f"{graph}: Vela: {problem}{why}\n    vela {' '.join(flags)}")


def _summary(path: Path, weight_bytes: int) -> dict[str, Any]:
    """Figures of Vela's summary, which has memory in KiB. weight_bytes: in the area that weights are stored in."""
    with path.open(newline="") as file:
        row = next(iter(csv.DictReader(file)))
    memory = {area: round(float(row[f"{area}_memory_used"]) * 1024) for area in _AREAS.values()}
    weights_area = _AREAS[row["weights_storage_area"]]
    return {
        "macs": int(row["nn_macs"]),
        "cycles": {kind: int(float(row[f"cycles_{kind}"])) for kind in _CYCLES},
        "inference_time_s": float(row["inference_time"]),
        "clock_hz": int(float(row["core_clock"])),
        "memory_bytes": memory,
        "constant_bytes": {area: min(weight_bytes, memory[area]) if area == weights_area else 0 for area in memory},
    }


def _buffers(database: Path, has_fast_scratch: bool) -> list[dict[str, Any]]:
    """What Vela placed in the working memory: in the fast scratch, where there is one, what is in SRAM."""
    if not database.exists():
        return []
    fast = {"sram": "fast_scratch"} if has_fast_scratch else {}
    return [
        {
            "name": one.name,
            "usage": one.usage,
            "memory": one.memory,
            "buffer": fast.get(one.memory, "scratch"),
            "offset": one.address,
            "bytes": one.size,
            "first_layer": one.first,
            "last_layer": one.last,
        }
        for one in read_allocation(database)
        if "flash" not in one.memory
    ]


def _layers(path: Path) -> list[dict[str, Any]]:
    """Vela's estimates per layer; none when it wrote no such file."""
    if not path.exists():
        return []
    columns = {"npu": "NPU", "sram_access": "SRAM AC", "dram_access": "DRAM AC"}
    columns |= {"on_chip_flash_access": "OnFlash AC", "off_chip_flash_access": "OffFlash AC", "total": "Op Cycles"}
    with path.open(newline="") as file:
        return [
            {
                "name": row["Name"],
                "operator": row["NNG Operator"],
                "original_operator": row["Original Operator"],
                "cycles": {kind: int(float(row[column])) for kind, column in columns.items()},
                "macs": int(float(row["MAC Count"])),
                "mac_utilisation": float(row["Util% (MAC)"]) / 100,
                "staging_bytes": int(float(row["Staging Usage"])),
            }
            for row in csv.DictReader(file)
        ]
