"""What the steps of a recipe with three variants have written, small and by hand, for the page that shows it.

The model has two modules in a third, a residual connection and an operator on the CPU; its vectors have labels.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from etbuild.hardware.target import Target
from etbuild.recipe.model_sections import Model
from etbuild.recipe.output_sections import Report
from etbuild.recipe.recipe import Recipe
from etbuild.recipe.runtime_sections import Runtime
from etbuild.steps import report

PTE = Path(__file__).parents[1] / "pte/files/linear_u55.pte"
VARIANTS = ("ethos-u55-128", "ethos-u55-256")
MAP = """
Discarded input sections

 .text          0x00000000       0x10 objects/discarded.o

Linker script and memory map

LOAD objects/app/main.o

.text           0x10000000      0x200
 *(.text .text.*)
 .text._ZN3etb3app3runEv
                0x10000000      0x120 objects/app/main.o
                0x10000000                etb::app::run()
 .text._ZN3etb12_GLOBAL__N_14loadEv
                0x10000120       0x40 objects/exec/load.o
 *fill*         0x10000160        0x4
 .text          0x10000164       0x9c /opt/gcc/lib/libc_nano.a(lib_a-memcpy.o)
                0x10000164                memcpy
                0x10000200                end_of_text = .
.bss            0x30000000       0x80
 .bss.state     0x30000000       0x80 objects/app/main.o
.comment        0x00000000       0x27
 .comment       0x00000000       0x27 objects/app/main.o
"""
ERRORS = {"max_abs": 0.5, "mean_abs": 0.25, "sqnr_db": 30.0}


def operator(node: str, inputs: list[str], line: int, module: str | None, place: str = "NPU", **more: Any) -> Any:
    """A row of partition.json."""
    name = node.partition("_")[0]
    row = {"node": node, "inputs": inputs, "operator": f"{name}.default", "class": "compute", "place": place}
    at = {
        "delegate": 0 if place == "NPU" else None,
        "reason": None,
        "line": f"models/kws.py:{line}",
        "module": module,
        "text": "x = conv(x)",
    }
    return {**row, **at, "advice": None, **more}


OPERATORS = [
    operator("quantize_0", ["x"], 2, None, "CPU", **{"class": "quantize"}),
    operator("dequantize_0", ["quantize_0"], 2, None, **{"class": "quantize"}),
    operator("conv_0", ["dequantize_0", "weight"], 2, "body.conv"),
    operator("relu_0", ["conv_0"], 3, "body.act"),
    operator("add_0", ["conv_0", "relu_0"], 3, "body"),
    operator("sort_0", ["add_0"], 4, None, "CPU", reason="sort is not supported", advice="topk"),
]


def layer(name: str, original: str, npu: int, sram: int, macs: int, staging: int) -> Any:
    """A layer of vela.json."""
    cycles = {"npu": npu, "sram_access": sram, "dram_access": 0, "on_chip_flash_access": 0, "off_chip_flash_access": 0}
    figures = {"macs": macs, "mac_utilisation": 0.25, "staging_bytes": staging}
    return {"name": name, "operator": original, "original_operator": original} | figures | {
        "cycles": {**cycles, "total": max(npu, sram)}
    }  # fmt: skip


MADE_FROM = {
    "tosa_conv": {"node": "conv_0", "module": "body.conv", "line": "models/kws.py:2"},
    "tosa_relu": {"node": "relu_0", "module": "body.act", "line": "models/kws.py:3"},
    "tosa_add": {"node": "add_0", "module": "body", "line": "models/kws.py:3"},
}


def inner(number: int, node: str, decibels: float | None, reason: str | None = None, cycles: int = 100) -> Any:
    """A layer of layers.json."""
    of_sample = {"sqnr_db": decibels, "largest": 0.25, "largest_lsb": 1.0, "mean": 0.0}
    errors = {**of_sample, "histogram_lsb": None, "samples": [of_sample, of_sample]} if decibels else None
    row = next(one for one in OPERATORS if one["node"] == node)
    return {
        "layer": number,
        "name": row["module"] or node,
        "line": row["line"],
        "place": row["place"],
        "operators": [row],
        "tosa": [],
        "instructions": [],
        "estimate": {"kind": "estimate", "cycles": {"total": cycles}, "macs": 0, "bound_by": "npu"},
        "not_seen": {"float": None, "quantized": None, "executed": reason},
        "exact": {"differing": 3 if number == 1 else 0},
        "errors": dict.fromkeys(("executed_to_quantized", "executed_to_float", "quantized_to_float"), errors),
        "clipped": {"float": 0.015, "quantized": 0.0},
        "histogram": {"float": [0, 4, 16, 4], "quantized": [0, 4, 16, 4], "executed": [1, 4, 16, 4]},
    }


def layers_json() -> Any:
    """layers.json: the second layer is the worst, the third has no value."""
    found = [inner(0, "conv_0", 40.0, cycles=3000), inner(1, "relu_0", 20.0), inner(2, "add_0", None, "fused away")]
    return {"vectors": 2, "layers": found, "worst": [1, 0], "first_difference": None}


def buffer(name: str, offset: int, size: int, first: int | None, last: int | None) -> Any:
    """A buffer of vela.json."""
    place = {"memory": "sram", "buffer": "scratch", "offset": offset, "bytes": size}
    return {"name": name, "usage": "OpLocal", **place, "first_layer": first, "last_layer": last}


BUFFERS = [buffer("image", 0, 16384, 0, 0), buffer("conv", 16384, 20480, 0, 2), buffer("lost", 0, 8, None, None),
           buffer("relu", 0, 16384, 1, 2)]  # fmt: skip


def vela(scale: int) -> Any:
    """vela.json of an NPU that is `scale` times as slow."""
    layers = [
        layer("tosa_conv", "Conv2D", 3000 * scale, 500, 90000, 20480),
        layer("tosa_relu", "Clamp", 40 * scale, 200, 0, 40960),
        layer("tosa_add", "Add", 100 * scale, 300, 0, 30720),
    ]
    total = sum(one["cycles"]["total"] for one in layers)
    sizes = {"sram": 40960 // scale, "dram": 0, "on_chip_flash": 0, "off_chip_flash": 4096}
    cycles = {"total": total}
    one = {
        "macs": 90000,
        "cycles": cycles,
        "inference_time_s": total / 5e8,
        "clock_hz": 5e8,
        "memory_bytes": sizes,
        "scratch_bytes": 40960,
        "fast_scratch_bytes": 0,
        "weight_bytes": 4096,
        "command_bytes": 512,
    }
    return {
        "delegates": [
            {
                "delegate": 0,
                **one,
                "constant_bytes": sizes,
                "weights": [{"name": "tosa_conv", "operator": "CONV2D", "values": 4608, "zeros": 1152}],
                "layers": layers,
                "buffers": BUFFERS,
            }
        ],
        "total": one,
    }


def manifest(npu: str) -> Any:
    """manifest.json of a variant."""
    target = {"npu": npu, "system_config": "High", "memory_mode": "Shared_Sram", "config": "Arm/vela.ini"}
    memory = {"planned_bytes": [96], "constant_bytes": 8, "scratch_bytes": 40960, "fast_scratch_bytes": 0}
    return {
        "pte": {"file": "model.pte", "bytes": 5000, "sha256": "0" * 64},
        "target": {**target, "optimise": "Performance", "arena_cache_size_bytes": None, "flags": []},
        "tools": {"etbuild": "0.1.0", "torch": "2.13.0"},
        "digests": {"models/kws.py": "1" * 64},
        "operators": {"npu_share": 0.75},
        "memory": {**memory, "weight_bytes": 4096, "command_bytes": 512},
        "macs": 90000,
    }


SIZES = {
    "board": "qemu-mps3-an547",
    "code_bytes": 512,
    "static_ram_bytes": 128,
    "stack_bytes": 1024,
    "model_bytes": 5000,
    "regions": [
        {"region": "itcm", "bytes": 524288, "used": 512, "left": 523776, "sections": {".text": 512}},
        {"region": "dtcm", "bytes": 2048, "used": 1152, "left": 896, "sections": {".stack": 1024, ".bss": 128}},
    ],
    "users": {"runtime": {"code": 356, "ram": 128, "data": 0}, "libc": {"code": 156, "ram": 0, "data": 0}},
}
RUN = {
    "runner": "qemu-mps3-an547 (NPU beside QEMU)",
    "vectors": 4,
    "bit_exact": 4,
    "tolerance": 0.0,
    "figures": {"duration": {"value": 1.5, "unit": "s", "kind": "measured"},
                "instructions": {"value": 123456789, "unit": "instructions", "kind": "QEMU instruction count"}},
    "memory": {"planned": 96, "arena_used": 512, "arena": 4096, "scratch_used": 40960, "scratch": 65536,
               "fast_scratch": 0, "stack_used": 600, "stack": 1024},
}  # fmt: skip


def write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def write_report_files(root: Path) -> Recipe:
    """Write them below `root`. Return the recipe, for `report_of`."""
    folder = root / "build/kws"
    write_json(folder / "tosa-u55/quantization.json", {"scheme": "int8", "tensors": [], "accepted": [], "rejected": []})
    write_json(
        folder / "tosa-u55/partition.json",
        {"operators": OPERATORS, "compute": 4, "compute_on_npu": 3, "npu_share": 0.75},
    )
    write_json(folder / "tosa-u55/operators.json", {"delegates": [MADE_FROM], "instructions": {}})
    output = {"shape": [1, 3], "dtype": "float32", "step": 0.5, "lsb": {"max": 0.0, "mean": 0.0, "largest_at": None}}
    golden = {"outputs": [{**output, "reference_to_float": ERRORS, "quantized_to_float": ERRORS}], "vectors": 4}
    accuracy = {"float": 1.0, "quantized": 0.75, "reference": 0.75}
    write_json(folder / "tosa-u55/golden.json", {**golden, "accuracy": accuracy})
    answers = np.array([[[9, 0, 0]], [[0, 9, 0]], [[0, 0, 9]], [[9, 0, 0]]], np.float32)
    images = np.linspace(0, 1, 4 * 64, dtype=np.float32).reshape(4, 1, 1, 8, 8)
    labels = np.array([0, 1, 2, 2])
    np.savez(folder / "tosa-u55/golden.npz", input_0=images, output_0=answers, float_0=answers, labels=labels)
    for scale, variant in enumerate(VARIANTS, 1):
        write_json(folder / variant / "manifest.json", manifest(variant))
        write_json(folder / variant / "vela.json", vela(3 - scale))
        write_json(folder / variant / "sizes.json", SIZES)
        write_json(folder / variant / "run.json", RUN)
        write_json(folder / variant / "layers.json", layers_json())
        (folder / variant / "firmware.map").write_text(MAP)
        shutil.copy(PTE, folder / variant / "model.pte")
    targets = tuple(Target(name, name, "tosa-u55", "High", "Shared_Sram") for name in VARIANTS)
    model = Model(source=Path("models/kws.py"))
    return Recipe("kws", (), model, targets, runtime=Runtime(board="qemu-mps3-an547"), report=Report(layers=True))


def report_of(recipe: Recipe) -> str:
    """The page, written by the step in the working directory."""
    assert report.main(report.step(recipe).argv) == 0
    return Path("build/kws/report.html").read_text(encoding="utf-8")
