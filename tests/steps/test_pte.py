"""Step pte: the manifest, what lies beside the .pte, and targets without an NPU."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from project import CONV, CPU, TWO_DELEGATES, U55, Project, compile_steps, recipe

from etbuild.errors import StepError
from etbuild.pte.named_data import read_data
from etbuild.pte.reader import read
from etbuild.pte.vela import blocks_of
from etbuild.recipe.data_sections import Quantize
from etbuild.recipe.output_sections import Pte
from etbuild.steps import export, golden, lower, pte, quantize, vela

SCHEMA = Path(__file__).parents[2] / "schemas/manifest.schema.json"
FOLDER = "build/r/ethos-u55-128"


def test_a_step_names_what_it_reads_and_writes() -> None:
    """What is asked for beside the .pte shows in inputs and outputs."""
    one = replace(recipe(), pte=Pte(bundled_io=True, external_weights=True))

    step = pte.step(one, U55)

    assert step.outputs == tuple(Path(FOLDER) / n for n in ("model.pte", "manifest.json", "model.ptd", "model.bpte"))
    assert Path("build/r/tosa-u55/golden.npz") in step.inputs
    assert "--external-weights" in step.argv


def test_a_step_without_an_npu_reads_no_stream() -> None:
    """There is no step vela before it."""
    step = pte.step(recipe(CPU), CPU)

    assert step.inputs == (
        Path("build/r/cpu/lowered.bin"),
        Path("build/r/cpu/partition.json"),
        Path("build/r/cpu/quantization.json"),
        Path("build/r/export/deps.json"),
    )


def check_manifest(project: Project, folder: str) -> Any:
    import jsonschema

    told = project.json(f"{folder}/manifest.json")
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text())).validate(told)
    data = (project.root / folder / "model.pte").read_bytes()
    assert told["pte"] == {"file": "model.pte", "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    return told


@pytest.mark.e2e
def test_the_manifest_tells_what_the_pte_is(small: Project) -> None:
    """Target, border, operators, memory; every figure is the .pte's or Vela's."""
    told = check_manifest(small, FOLDER)

    assert told["target"]["memory_mode"] == "Shared_Sram"
    assert told["inputs"][0]["shape"] == [1, 2, 4, 4]
    assert told["inputs"][0]["quantized"] == "int8"
    assert [(one["operator"], one["border"], one["count"]) for one in told["operators"]["cpu"]] == [
        ("cortex_m::dequantize_per_tensor.out", True, 1),
        ("cortex_m::quantize_per_tensor.out", True, 1),
    ]
    assert told["operators"]["npu_share"] == 1.0
    assert told["macs"] == small.json(f"{FOLDER}/vela.json")["total"]["macs"]
    assert told["memory"]["planned_bytes"] == list(read(small.root / FOLDER / "model.pte").methods[0].buffer_sizes[1:])


@pytest.mark.e2e
def test_the_manifest_names_all_that_had_a_part(small: Project) -> None:
    """From the model's source to the delegate's graph."""
    told = check_manifest(small, FOLDER)

    assert list(told["digests"]) == [
        "build/r/export/exported.pt2",
        "build/r/tosa-u55/delegates/0.tosa",
        "build/r/tosa-u55/lowered.bin",
        "build/r/tosa-u55/quantized.pt2",
        "model.py",
    ]


@pytest.mark.e2e
@pytest.mark.parametrize("io", ["int8", "uint8"])
def test_a_border_in_integers_is_in_the_manifest(project: Project, io: str) -> None:
    """The program takes and gives integers, and no kernel converts; scale and zero point are told."""
    project.write("model.py", CONV)
    one = replace(recipe(), quantize=Quantize(io=io))
    project.run(*compile_steps(one, U55), golden.step(replace(one, golden=replace(one.golden, lsb=1)), "tosa-u55"))

    told = check_manifest(project, FOLDER)

    assert told["operators"]["cpu"] == []
    assert [port["dtype"] for port in (*told["inputs"], *told["outputs"])] == [io, io]
    assert told["inputs"][0]["scale"] > 0
    assert told["inputs"][0]["quantized"] == io


@pytest.mark.e2e
@pytest.mark.parametrize("scheme", ["int8", "none"])
def test_a_target_without_an_npu_is_built(project: Project, scheme: str) -> None:
    """The whole model in CPU kernels, quantised or not."""
    project.write("model.py", CONV)
    one = replace(recipe(CPU), quantize=Quantize(scheme=scheme))
    project.run(*compile_steps(one, CPU), golden.step(one, "cpu"))

    told = check_manifest(project, "build/r/cpu")

    assert told["delegates"] == []
    assert "aten::convolution.out" in {operator["operator"] for operator in told["operators"]["cpu"]}


@pytest.mark.e2e
def test_weights_lie_outside_on_request(project: Project) -> None:
    """model.ptd holds them under the keys that the streams name."""
    project.write("model.py", TWO_DELEGATES)
    one = replace(recipe(), pte=Pte(external_weights=True))
    project.run(*compile_steps(one, U55))

    told = check_manifest(project, FOLDER)

    program = read(project.root / FOLDER / "model.pte")
    weights = [blocks_of(bytes(one.data))[2] for one in program.methods[0].delegates]
    keys = {entry.key for entry in read_data(project.root / FOLDER / "model.ptd").entries}
    assert keys == {block.key for block in weights}
    assert [one["file"] for one in told["beside"]] == ["model.ptd"]


@pytest.mark.e2e
def test_a_bundle_holds_the_golden_vectors(project: Project) -> None:
    """model.bpte: the .pte itself and one test case a vector."""
    from etbuild.pte.bundle import read_bundle

    project.write("model.py", CONV)
    one = replace(recipe(lsb=1), pte=Pte(bundled_io=True, etrecord=True))
    profile = U55.profile
    project.run(
        *(export.step(one), quantize.step(one, profile), lower.step(one, profile), golden.step(one, profile)),
        *(vela.step(one, U55), pte.step(one, U55)),
    )

    bundle = read_bundle(project.root / FOLDER / "model.bpte")

    assert [(suite.method, suite.cases) for suite in bundle.suites] == [("forward", 4)]
    assert bundle.program.size == (project.root / FOLDER / "model.pte").stat().st_size
    assert [one["file"] for one in check_manifest(project, FOLDER)["beside"]] == ["model.bpte", "model.etrecord"]


@pytest.mark.e2e
def test_a_missing_stream_is_named(small: Project, tmp_path: Path) -> None:
    """Rather than a .pte without it."""
    step = pte.step(recipe(), U55)
    argv = [str(tmp_path) if word == f"{FOLDER}/vela" else word for word in step.argv]

    with pytest.raises(StepError) as caught:
        small.run(replace(step, argv=tuple(argv)))

    assert str(caught.value) == f"{tmp_path}/0.bin: got no stream, wanted one for each delegate"
