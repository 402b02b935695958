"""Step pte: the manifest, the files next to the .pte, and targets without an NPU."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
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
SIDECARS = ("model.cdx.json", "model.intoto.json")


def test_a_step_names_what_it_reads_and_writes() -> None:
    """Optional files add inputs and outputs."""
    one = replace(recipe(), pte=Pte(bundled_io=True, external_weights=True))

    step = pte.step(one, U55)

    assert step.outputs == tuple(
        f"{FOLDER}/{n}" for n in ("model.pte", "manifest.json", *SIDECARS, "model.ptd", "model.bpte")
    )
    assert "build/r/tosa-u55/golden.npz" in step.inputs
    assert "--external-weights" in step.argv


def test_a_step_without_an_npu_reads_no_stream() -> None:
    """It has no step vela."""
    step = pte.step(recipe(CPU), CPU)

    assert step.inputs == (
        "build/r/cpu/lowered.bin",
        "build/r/cpu/partition.json",
        "build/r/cpu/quantization.json",
        "build/r/export/deps.json",
    )


def check_manifest(project: Project, folder: str) -> Any:
    import jsonschema

    manifest = project.json(f"{folder}/manifest.json")
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text())).validate(manifest)
    data = (project.root / folder / "model.pte").read_bytes()
    assert manifest["pte"] == {"file": "model.pte", "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    return manifest


@pytest.mark.e2e
def test_the_manifest_describes_the_pte(small: Project) -> None:
    """Target, inputs and outputs, operators, memory; every figure comes from the .pte or from Vela."""
    manifest = check_manifest(small, FOLDER)

    assert manifest["target"]["memory_mode"] == "Shared_Sram"
    assert manifest["inputs"][0]["shape"] == [1, 2, 4, 4]
    assert manifest["inputs"][0]["quantized"] == "int8"
    assert [(one["operator"], one["border"], one["count"]) for one in manifest["operators"]["cpu"]] == [
        ("cortex_m::dequantize_per_tensor.out", True, 1),
        ("cortex_m::quantize_per_tensor.out", True, 1),
    ]
    assert manifest["operators"]["npu_share"] == 1.0
    assert manifest["macs"] == small.json(f"{FOLDER}/vela.json")["total"]["macs"]
    assert manifest["memory"]["planned_bytes"] == list(
        read(small.root / FOLDER / "model.pte").methods[0].buffer_sizes[1:]
    )


@pytest.mark.e2e
def test_the_manifest_lists_everything_that_went_into_the_pte(small: Project) -> None:
    """From the model's source to the delegate's graph."""
    manifest = check_manifest(small, FOLDER)

    assert list(manifest["digests"]) == [
        "build/r/export/exported.pt2",
        "build/r/tosa-u55/delegates/0.tosa",
        "build/r/tosa-u55/lowered.bin",
        "build/r/tosa-u55/quantized.pt2",
        "model.py",
    ]


@pytest.mark.e2e
@pytest.mark.parametrize("io", ["int8", "uint8"])
def test_integer_inputs_and_outputs_are_in_the_manifest(project: Project, io: str) -> None:
    """No kernel converts; the manifest has scale and zero point."""
    project.write("model.py", CONV)
    one = replace(recipe(), quantize=Quantize(io=io))
    project.run(*compile_steps(one, U55), golden.step(replace(one, golden=replace(one.golden, lsb=1)), "tosa-u55"))

    manifest = check_manifest(project, FOLDER)

    assert manifest["operators"]["cpu"] == []
    assert [port["dtype"] for port in (*manifest["inputs"], *manifest["outputs"])] == [io, io]
    assert manifest["inputs"][0]["scale"] > 0
    assert manifest["inputs"][0]["quantized"] == io


@pytest.mark.e2e
@pytest.mark.parametrize("scheme", ["int8", "none"])
def test_a_target_without_an_npu_is_built(project: Project, scheme: str) -> None:
    """The whole model in CPU kernels, quantised or not."""
    project.write("model.py", CONV)
    one = replace(recipe(CPU), quantize=Quantize(scheme=scheme))
    project.run(*compile_steps(one, CPU), golden.step(one, "cpu"))

    manifest = check_manifest(project, "build/r/cpu")

    assert manifest["delegates"] == []
    assert "aten::convolution.out" in {operator["operator"] for operator in manifest["operators"]["cpu"]}


@pytest.mark.e2e
def test_weights_are_external_on_request(project: Project) -> None:
    """model.ptd contains them under the keys in the streams."""
    project.write("model.py", TWO_DELEGATES)
    one = replace(recipe(), pte=Pte(external_weights=True))
    project.run(*compile_steps(one, U55))

    manifest = check_manifest(project, FOLDER)

    program = read(project.root / FOLDER / "model.pte")
    weights = [blocks_of(bytes(one.data))[2] for one in program.methods[0].delegates]
    keys = {entry.key for entry in read_data(project.root / FOLDER / "model.ptd").entries}
    assert keys == {block.key for block in weights}
    assert [one["file"] for one in manifest["beside"]] == ["model.ptd"]


@pytest.mark.e2e
def test_a_bundle_contains_the_golden_vectors(project: Project) -> None:
    """model.bpte: the .pte and one test case per vector."""
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
def test_executorch_reads_the_vectors_and_expected_outputs_of_a_bundle(small: Project, tmp_path: Path) -> None:
    """With its own API: the program's bytes, and each vector of golden.npz with its outputs."""
    from executorch.devtools.bundled_program.serialize import deserialize_from_flatbuffer_to_bundled_program

    from etbuild.compile.pte_extras import bundle

    program, vectors = small.root / FOLDER / "model.pte", small.root / "build/r/tosa-u55/golden.npz"
    read_back = deserialize_from_flatbuffer_to_bundled_program(bundle(program, vectors))
    (suite,) = read_back.method_test_suites

    def arrays(values: list[Any]) -> list[bytes]:
        return [bytes(one.val.data) for one in values]

    with np.load(vectors) as golden:
        wanted_inputs = [[one.tobytes()] for one in golden["input_0"]]
        wanted_outputs = [[one.tobytes()] for one in golden["output_0"]]
    assert read_back.program == program.read_bytes()
    assert suite.method_name == "forward"
    assert [arrays(case.inputs) for case in suite.test_cases] == wanted_inputs
    assert [arrays(case.expected_outputs) for case in suite.test_cases] == wanted_outputs


@pytest.mark.e2e
def test_a_missing_stream_is_an_error(small: Project, tmp_path: Path) -> None:
    """Not a .pte without it."""
    step = pte.step(recipe(), U55)
    argv = [str(tmp_path) if word == f"{FOLDER}/vela" else word for word in step.argv]

    with pytest.raises(StepError) as caught:
        small.run(step._replace(argv=tuple(argv)))

    assert str(caught.value) == f"{tmp_path}/0.bin: got no stream, wanted one for each delegate"
