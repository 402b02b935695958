"""Step report: report.json collects the reports of the steps, each figure with its kind, and a table shows them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from etbuild.build_engine.step import Step
from etbuild.config.schemas import schema_file
from etbuild.errors import StepError
from etbuild.hardware.target import Target
from etbuild.recipe.model_sections import Model
from etbuild.recipe.recipe import Recipe
from etbuild.report.tables import report_table
from etbuild.steps import report

U55 = Target("ethos-u55-128", "ethos-u55-128", "tosa-u55", "Ethos_U55_High_End_Embedded", "Shared_Sram")
CPU = Target("cpu", "none", "cpu")
AREAS = {"sram": 12288, "dram": 0, "on_chip_flash": 0, "off_chip_flash": 58208}
CYCLES = {"npu": 50, "sram_access": 40, "dram_access": 0, "on_chip_flash_access": 0, "off_chip_flash_access": 60}
ERRORS = {"max_abs": 0.5, "mean_abs": 0.25, "sqnr_db": 30.0}

QUANTIZATION = {"scheme": "int8", "tensors": [1, 2, 3], "accepted": [1], "rejected": []}
SORT = {"node": "sort", "operator": "sort.default", "class": "compute", "place": "CPU", "delegate": None,
        "reason": "not supported", "line": "models/kws.py:9", "module": "sorter", "advice": "another one"}  # fmt: skip
PARTITION = {
    "operators": [
        {**SORT, "operator": "linear.default", "place": "NPU", "delegate": 0, "reason": None},
        {**SORT, "operator": "quantize_per_tensor", "class": "quantize"},
        SORT,
        SORT,
    ],
    "compute": 3,
    "compute_on_npu": 1,
    "npu_share": 1 / 3,
}
GOLDEN = {
    "vectors": 16,
    "outputs": [
        {
            "shape": [10],
            "dtype": "float32",
            "step": 0.5,
            "lsb": {"max": 0.0, "mean": 0.0, "largest_at": None},
            "reference_to_float": ERRORS,
            "quantized_to_float": ERRORS,
        }
    ],
    "accuracy": {"float": 1.0, "quantized": 0.9844, "reference": 0.98},
    "delegates": [{"delegate": 0, "calls": 16}],
}
DELEGATE = {
    "delegate": 0,
    "macs": 300774272,
    "cycles": {**CYCLES, "total": 81234},
    "inference_time_s": 0.000162,
    "clock_hz": 500000000,
    "memory_bytes": AREAS,
    "constant_bytes": {**AREAS, "sram": 0},
    "scratch_bytes": 12288,
    "fast_scratch_bytes": 0,
    "weight_bytes": 58208,
    "command_bytes": 1840,
    "layers": [
        {
            "name": "linear",
            "operator": "FullyConnected",
            "original_operator": "Linear",
            "cycles": {**CYCLES, "total": 81234},
            "macs": 300774272,
            "mac_utilisation": 0.5,
            "staging_bytes": 12288,
        }
    ],
    "buffers": [
        {
            "name": "linear",
            "usage": "OpLocal",
            "memory": "sram",
            "buffer": "scratch",
            "offset": 0,
            "bytes": 12288,
            "first_layer": 0,
            "last_layer": 0,
        }
    ],
}
VELA = {
    "delegates": [DELEGATE],
    "total": {
        "cycles": {**CYCLES, "total": 81234},
        "inference_time_s": 0.000162,
        "memory_bytes": AREAS,
    },
}


def manifest(npu: str) -> dict[str, Any]:
    on_npu = npu != "none"
    return {
        "pte": {"file": "model.pte", "bytes": 115192, "sha256": "0" * 64},
        "target": {
            "npu": npu,
            "system_config": "",
            "memory_mode": "",
            "config": "",
            "optimise": "Performance",
            "arena_cache_size_bytes": None,
            "flags": [],
        },
        "tools": {"python": "cpython 3.11.7"},
        "operators": {"npu_share": 1 / 3 if on_npu else 0.0},
        "memory": {
            "planned_bytes": [96, 4],
            "constant_bytes": 8,
            "scratch_bytes": 12288 if on_npu else 0,
            "fast_scratch_bytes": 0,
            "weight_bytes": 58208 if on_npu else 0,
            "command_bytes": 1840 if on_npu else 0,
        },
        "macs": 300774272 if on_npu else 0,
    }


def write(path: str, value: object) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(json.dumps(value))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The reports of the earlier steps for one variant with an NPU and one without."""
    monkeypatch.chdir(tmp_path)
    for profile in ("tosa-u55", "cpu"):
        write(f"build/kws/{profile}/quantization.json", QUANTIZATION)
        write(f"build/kws/{profile}/partition.json", PARTITION)
        write(f"build/kws/{profile}/golden.json", GOLDEN)
    write("build/kws/ethos-u55-128/manifest.json", manifest("ethos-u55-128"))
    write("build/kws/ethos-u55-128/vela.json", VELA)
    write("build/kws/cpu/manifest.json", manifest("none"))
    return tmp_path


def make(*targets: Target) -> Any:
    step = report.step(Recipe("kws", (), Model(), targets))
    assert report.main(step.argv) == 0
    return json.loads(Path("build/kws/report.json").read_text())


def test_the_step_reads_every_report_of_the_recipe() -> None:
    """Once for each profile and variant; without an NPU there is no vela.json."""
    assert report.step(Recipe("kws", (), Model(), (U55, CPU))) == Step(
        name="report:kws",
        argv=(
            *("--recipe", "kws", "--folder", "build/kws"),
            *("--profile", "tosa-u55", "--profile", "cpu"),
            *("--variant", "ethos-u55-128=tosa-u55", "--variant", "cpu=cpu"),
            *("--output", "build/kws/report.json", "--page", "build/kws/report.html"),
            *("--formats", "build/kws/report"),
        ),
        inputs=tuple(
            f"build/kws/{name}"
            for name in (
                *("tosa-u55/quantization.json", "tosa-u55/partition.json", "tosa-u55/golden.json"),
                *("tosa-u55/golden.npz", "tosa-u55/operators.json"),
                *("cpu/quantization.json", "cpu/partition.json", "cpu/golden.json"),
                *("cpu/golden.npz", "cpu/operators.json"),
                *("ethos-u55-128/manifest.json", "ethos-u55-128/model.pte", "ethos-u55-128/vela.json"),
                *("ethos-u55-128/vela", "ethos-u55-128/run.json"),
                *("cpu/manifest.json", "cpu/model.pte", "cpu/run.json"),
            )
        ),
        outputs=("build/kws/report.json", "build/kws/report.html", "build/kws/report"),
        tools=("python", "jinja2", "numpy"),
    )


@pytest.mark.parametrize("targets", [(U55,), (CPU,), (U55, CPU)])
def test_a_report_is_valid_against_its_schema(folder: Path, targets: tuple[Target, ...]) -> None:
    """No key is missing, and none is unknown."""
    schema = json.loads(schema_file("report").read_text())

    assert [error.message for error in Draft202012Validator(schema).iter_errors(make(*targets))] == []


def test_the_schema_describes_every_key() -> None:
    """With an example for each."""
    schema = json.loads(schema_file("report").read_text())
    Draft202012Validator.check_schema(schema)

    def bare(node: Any, path: str) -> list[str]:
        found = []
        for name, child in node.get("properties", {}).items() if isinstance(node, dict) else ():
            described = child if "$ref" not in child else {**schema["$defs"][child["$ref"].split("/")[-1]], **child}
            has_example = "examples" in described or described.get("type") == "object" or "oneOf" in described
            found += [] if "description" in described and has_example else [f"{path}.{name}"]
        children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
        return found + [line for child in children for line in bare(child, path)]

    assert bare(schema, "") == []


def test_every_figure_says_whether_it_is_an_estimate(folder: Path) -> None:
    """Vela estimates time; sizes are exact."""
    figures = make(U55)["variants"][0]["figures"]

    assert figures["inference_s"] == {"value": 0.000162, "unit": "s", "kind": "estimate", "source": "vela.json"}
    assert figures["pte_bytes"] == {"value": 115192, "unit": "bytes", "kind": "exact", "source": "manifest.json"}
    assert figures["flash_bytes"] == {"value": 58208, "unit": "bytes", "kind": "exact", "source": "vela.json"}


def test_without_an_npu_there_is_no_estimate(folder: Path) -> None:
    """Nothing estimates the CPU's time; its memory is that of the memory plan."""
    variant = make(CPU)["variants"][0]

    assert {figure["kind"] for figure in variant["figures"].values()} == {"exact"}
    assert (variant["figures"]["sram_bytes"]["value"], variant["vela"]) == (100, None)


def test_operators_on_the_cpu_are_counted_by_reason_and_line(folder: Path) -> None:
    """Conversions at model inputs and outputs do not count."""
    assert make(U55)["profiles"][0]["operators"]["on_cpu"] == [
        {
            "operator": "sort.default",
            "reason": "not supported",
            "line": "models/kws.py:9",
            "module": "sorter",
            "advice": "another one",
            "count": 2,
        }
    ]


def test_a_report_contains_the_run_of_a_variant(folder: Path) -> None:
    """Without its duration, so that equal builds have equal reports."""
    figures = {"duration": {"value": 0.9, "unit": "s"}, "instructions": {"value": 7}}
    run = {"runner": "host", "vectors": 16, "bit_exact": 16, "tolerance": 0.0}
    write("build/kws/ethos-u55-128/run.json", {**run, "figures": figures})

    assert make(U55)["variants"][0]["run"] == {**run, "figures": {"instructions": {"value": 7}}}


def test_the_table_ends_with_what_ran_where(folder: Path) -> None:
    """And with the size of the firmware."""
    run_json = {"runner": "qemu-mps3-an547 (emulated NPU)", "vectors": 16, "bit_exact": 16, "figures": {}}
    run_json["tolerance"] = 0.0
    sizes = {"board": "qemu-mps3-an547", "code_bytes": 42000, "static_ram_bytes": 1228, "regions": []}
    write("build/kws/ethos-u55-128/run.json", run_json)
    write("build/kws/ethos-u55-128/sizes.json", {**sizes, "stack_bytes": 16384, "model_bytes": 115192})

    assert report_table([make(U55)]).splitlines()[-3:] == [
        "kws@ethos-u55-128  build/kws/ethos-u55-128/: model.pte, model.h, firmware.elf, firmware.bin",
        "kws@ethos-u55-128  firmware for qemu-mps3-an547: code 42,000 bytes, static RAM 1,228, stack 16,384, "
        "model 115,192",
        "kws@ethos-u55-128  run on qemu-mps3-an547 (emulated NPU): 16/16 vectors bit-exact",
    ]


def test_a_missing_report_of_a_step_is_named(folder: Path) -> None:
    """With its path."""
    Path("build/kws/tosa-u55/golden.json").unlink()

    with pytest.raises(StepError) as caught:
        make(U55)

    assert str(caught.value) == (
        "build/kws/tosa-u55/golden.json: got [Errno 2] No such file or directory: "
        "'build/kws/tosa-u55/golden.json', wanted the JSON of an earlier step"
    )


def test_the_table_has_one_line_a_variant(folder: Path) -> None:
    """Empty columns are omitted; below are the operators that no NPU takes, and where the files are."""
    assert report_table([make(U55, CPU)]) == (
        """\
                   .pte bytes      SRAM      flash  on NPU     MACs  inference            golden                  right
kws@ethos-u55-128     115,192  12.0 KiB   56.8 KiB  33.3 %  300.8 M   0.162 ms  16 vectors exact  100 %, 98.4 %, 98.0 %
kws@cpu               115,192   0.1 KiB  112.5 KiB   0.0 %                      16 vectors exact  100 %, 98.4 %, 98.0 %
inference: estimated by Vela, not measured; SRAM, DRAM, flash: as Vela places weights and activations
golden: error of the expected outputs against quantised PyTorch on the test vectors; exact: 0 LSB
right: share of vectors classified right by the float model, quantised PyTorch, the expected outputs

kws@tosa-u55  on the CPU: sort.default 2 times at models/kws.py:9 (module sorter)
    not supported
    instead: another one

kws@ethos-u55-128  build/kws/ethos-u55-128/: model.pte, model.h
kws@cpu  build/kws/cpu/: model.pte, model.h"""
    )


def test_the_table_has_the_error_of_golden_in_lsb(folder: Path) -> None:
    """Without labels it has no column `right`."""
    outputs = [{**GOLDEN["outputs"][0], "lsb": {"max": 2.0, "mean": 0.5, "largest_at": {"vector": 0, "element": [1]}}}]  # type: ignore[index]
    write("build/kws/tosa-u55/golden.json", {**GOLDEN, "outputs": outputs, "accuracy": None})

    lines = report_table([make(U55)]).splitlines()

    assert lines[0].endswith("golden")
    assert lines[1].endswith("16 vectors within 2 LSB")
    assert not any(line.startswith("right:") for line in lines)


def test_without_a_report_there_is_no_table() -> None:
    """When only single steps ran."""
    assert report_table([]) == ""
