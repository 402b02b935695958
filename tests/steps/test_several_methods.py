"""model.methods: a program with two methods, each exact on the host, in files and reports by its name."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import jsonschema
import numpy as np
import pytest
from project import Project
from several_methods import MODEL, build, project_of

from etbuild.config.schemas import schema_file
from etbuild.errors import StepError
from etbuild.host.program import HostProgram
from etbuild.pte.reader import read
from etbuild.pte.vela import read_stream
from etbuild.recipe.data_sections import Rule
from etbuild.steps import export, quantize, report, run

if TYPE_CHECKING:
    from pathlib import Path

    from etbuild.recipe.recipe import Recipe

pytestmark = pytest.mark.e2e

VARIANT = "build/r/ethos-u55-128"


def test_run_json_has_a_verdict_on_every_method(two_methods: tuple[Project, Recipe]) -> None:
    """Its own vectors: 3 of decode, and 4 random ones of encode, for which the recipe names none."""
    found = two_methods[0].json(f"{VARIANT}/run.json")

    assert found["methods"] == {
        "decode": {"vectors": 3, "bit_exact": 3},
        "encode": {"vectors": 4, "bit_exact": 4},
    }
    assert (found["vectors"], found["bit_exact"]) == (7, 7)


def test_each_method_of_the_program_gives_goldens_outputs(two_methods: tuple[Project, Recipe]) -> None:
    """Read from the .pte by name."""
    root = two_methods[0].root

    for method in ("decode", "encode"):
        program = HostProgram(root / VARIANT / "model.pte", method=method)
        with np.load(root / f"build/r/tosa-u55/golden/{method}.npz") as arrays:
            columns = [arrays[f"input_{index}"] for index in range(len(program.inputs))]
            for number in range(len(columns[0])):
                for index, output in enumerate(program.run(*(column[number] for column in columns))):
                    np.testing.assert_array_equal(output, arrays[f"output_{index}"][number])


def test_delegates_of_all_methods_have_one_numbering(two_methods: tuple[Project, Recipe]) -> None:
    """In partition.json, golden.json and vela.json; in the program each method has its own from 0."""
    made = two_methods[0]
    numbers = {(row["method"], row["delegate"]) for row in made.json("build/r/tosa-u55/partition.json")["operators"]}
    methods = read(made.root / VARIANT / "model.pte").methods

    assert numbers == {("decode", None), ("decode", 0), ("decode", 1), ("encode", None), ("encode", 2)}
    assert made.json("build/r/tosa-u55/golden.json")["delegates"] == [
        {"method": "decode", "delegate": 0, "calls": 3},
        {"method": "decode", "delegate": 1, "calls": 3},
        {"method": "encode", "delegate": 2, "calls": 4},
    ]
    assert [one["delegate"] for one in made.json(f"{VARIANT}/vela.json")["delegates"]] == [0, 1, 2]
    assert [(one.name, len(one.delegates)) for one in methods] == [("decode", 2), ("encode", 1)]


def test_a_wrong_delegate_is_named_with_its_method_and_its_number_in_the_program(
    two_methods: tuple[Project, Recipe],
) -> None:
    """And the first wrong operation in it, from the TOSA graph and the debug database of that number."""
    made, one = two_methods
    path = made.root / VARIANT / "model.pte"
    right = path.read_bytes()
    step = run.step(one, one.targets[0])
    assert step is not None
    program = read(path)
    weights = bytes(read_stream(program, program.methods[1].delegates[0]).block("weight_data").data or b"")
    middle = right.index(weights) + len(weights) // 2
    said = ""

    try:
        # Most bits change what the compressed weights mean; some make them no weights at all.
        for position in range(middle, middle + 64):
            path.write_bytes(right[:position] + bytes([right[position] ^ 1]) + right[position + 1 :])
            try:
                made.run(step)
            except StepError as error:
                said = str(error)
            if "first operation that differs" in said:
                break
    finally:
        path.write_bytes(right)

    first, second, third, *_ = said.splitlines()
    assert first.startswith("method encode: vector 0, output 0: element ")
    assert second.startswith("    first in delegate 2, output 0: element ")
    assert third.startswith("    first operation that differs: layer ")


def test_each_method_is_calibrated_with_its_own_samples(two_methods: tuple[Project, Recipe]) -> None:
    """The file of encode reaches 9; decode has random samples within the values of its example."""
    methods = two_methods[0].json(f"{VARIANT}/manifest.json")["methods"]
    scales = {one["name"]: one["inputs"][0]["scale"] for one in methods}

    assert scales["encode"] == pytest.approx(18 / 255, rel=0.02)
    assert scales["decode"] < 0.04


def test_header_and_reports_describe_every_method(two_methods: tuple[Project, Recipe]) -> None:
    """The header has macros with the method's name; manifest and report follow their schemas."""
    made, one = two_methods
    made.run(report.step(one))
    header = (made.root / VARIANT / "model.h").read_text()

    for line in ("R_PTE_ENCODE_INPUT_COUNT 1", "R_PTE_DECODE_INPUT_COUNT 2", "R_PTE_DECODE_OUTPUT_COUNT 2"):
        assert f"#define {line}\n" in header
    assert "R_PTE_INPUT_COUNT" not in header
    for name, file in (("manifest", f"{VARIANT}/manifest.json"), ("report", "build/r/report.json")):
        schema = json.loads(schema_file(name).read_text())
        jsonschema.Draft202012Validator(schema).validate(made.json(file))


def test_a_file_of_samples_is_an_input_of_the_steps_that_read_it(tmp_path: Path) -> None:
    """So a change of it runs them again."""
    _, one = project_of(tmp_path)

    assert "recipes/images.npy" in map(str, quantize.step(one, "tosa-u55").inputs)


@pytest.mark.slow
def test_a_rule_counts_for_the_methods_in_which_it_matches(tmp_path: Path) -> None:
    """The module `up` is one of decode alone; a module of no method is refused with the names of each."""
    made, one = project_of(tmp_path)
    made.run(export.step(one), quantize.step(_with_rule(one, "up"), "tosa-u55"))
    tensors = made.json("build/r/tosa-u55/quantization.json")["tensors"]

    with pytest.raises(StepError) as caught:
        made.run(quantize.step(_with_rule(one, "fc"), "tosa-u55"))

    assert {one["dtype"] for one in tensors if one["method"] == "decode"} > {"int16"}
    assert "int16" not in {one["dtype"] for one in tensors if one["method"] == "encode"}
    unmatched = "quantize.rules: module_name: got fc, which matches nothing in the model, wanted one of"
    assert str(caught.value) == f"method decode: {unmatched} own, shared, up\nmethod encode: {unmatched} own, shared"


def _with_rule(one: Recipe, module: str) -> Recipe:
    return replace(one, quantize=replace(one.quantize, rules=(Rule(module_name=module, scheme="int16x8"),)))


@pytest.mark.slow
@pytest.mark.parametrize("target", ["{npu: ethos-u85-256}", "{npu: none}"])
def test_every_method_is_exact_for_other_targets(target: str, tmp_path: Path) -> None:
    """The Ethos-U85 upsamples; without an NPU the program is in floating point."""
    made, one = project_of(tmp_path, target)
    variant = build(made, one).variant

    assert made.json(f"build/r/{variant}/run.json")["bit_exact"] == 7


SHARED_STATE = """
    import torch

    class Write(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.cache = CACHE

        def forward(self, x):
            self.cache.rows.copy_(x)
            return x + 1

    class Read(Write):
        def forward(self, x):
            return x + self.cache.rows

    CACHE = torch.nn.Module()
    CACHE.register_buffer("rows", torch.zeros(1, 4))

    def make_encoder():
        return Write(), (torch.ones(1, 4),)

    def make_decoder():
        return Read(), (torch.ones(1, 4),)
"""
REFUSED = {
    "a factory that there is not": (
        MODEL.replace("def make_decoder", "def other"),
        "recipes/model.py: model.methods.decode: got no function make_decoder, wanted one that returns (module, "
        "inputs)",
    ),
    "a state of two methods": (
        SHARED_STATE,
        "recipes/model.py: methods encode and decode: got the buffer cache.rows in both, which encode changes, wanted "
        "state of one method alone\n"
        "    methods share no memory at run time: let one return it, and the other take it as an input",
    ),
    "an error in one method": (
        MODEL.replace("self.shared(x) * gain", "self.shared(x) * gain.missing"),
        "method decode: recipes/model.py: forward, called with its example inputs: got AttributeError: 'Tensor' object "
        "has no attribute 'missing'",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_no_method_can_be_is_named(case: str, tmp_path: Path) -> None:
    """Step export ends with the method or the state; of an error in forward the user's lines follow."""
    source, message = REFUSED[case]
    made, one = project_of(tmp_path, model=source)

    with pytest.raises(StepError) as caught:
        made.run(export.step(one))

    said = str(caught.value)
    assert said == message or said.startswith(f"{message}\n    recipes/model.py:")
