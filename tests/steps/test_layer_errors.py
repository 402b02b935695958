"""Step layers: the layers of a model, what the NPU does for each, and its errors in the executed program."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from delegate_weights import offset_of, weights_of
from jsonschema import Draft202012Validator
from project import CONV, U55, Project, compile_steps, recipe

from etbuild.config.schemas import schema_file
from etbuild.errors import StepError
from etbuild.hardware.target import Target
from etbuild.host.program import HostProgram
from etbuild.steps import golden, layers

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.e2e


def layers_of(project: Project) -> Any:
    project.run(layers.step(recipe(lsb=1), U55))
    return project.json("build/r/ethos-u55-128/layers.json")


@pytest.fixture(scope="module")
def of_small(small: Project) -> Any:
    return layers_of(small)


@pytest.fixture(scope="module")
def of_split(split: Project) -> Any:
    return layers_of(split)


def test_layers_are_valid_against_their_schema(of_small: Any, of_split: Any) -> None:
    """No key is missing, and none is unknown."""
    check = Draft202012Validator(json.loads(schema_file("layers").read_text()))

    assert [error.message for found in (of_small, of_split) for error in check.iter_errors(found)] == []


def test_the_schema_of_layers_describes_every_key() -> None:
    """With an example for each."""
    schema = json.loads(schema_file("layers").read_text())
    Draft202012Validator.check_schema(schema)

    def bare(node: Any) -> Iterator[str]:
        for name, child in node.get("properties", {}).items():
            known = child if "$ref" not in child else {**schema["$defs"][child["$ref"].split("/")[-1]], **child}
            if "description" not in known or not ("examples" in known or "object" in known["type"]):
                yield name
            yield from bare(child)

    assert [name for part in (schema, *schema["$defs"].values()) for name in bare(part)] == []


def test_every_operator_that_computes_is_in_one_layer(of_small: Any, of_split: Any) -> None:
    """With its place; what is quantised as one is one layer."""
    for found, wanted in (
        (of_small, [(["convolution", "relu"], "NPU"), (["view_copy"], "NPU"), (["linear"], "NPU")]),
        (of_split, [(["convolution", "relu"], "NPU"), (["upsample_nearest2d"], "CPU"), (["convolution"], "NPU")]),
    ):
        rows = found["layers"]

        assert [
            ([one["operator"].partition(".")[0] for one in row["operators"]], row["place"]) for row in rows
        ] == wanted
        assert (found["other_operators"], found["other_npu_work"]) == ([], [])


def test_the_errors_of_the_last_layer_are_those_of_the_outputs(small: Project, of_small: Any) -> None:
    """golden.json has them from other runs, of the TOSA reference model and both programs."""
    (wanted,) = small.json("build/r/tosa-u55/golden.json")["outputs"]
    errors = of_small["layers"][-1]["errors"]

    for pair, column in (("executed_to_float", "reference_to_float"), ("quantized_to_float", "quantized_to_float")):
        assert errors[pair]["sqnr_db"] == pytest.approx(wanted[column]["sqnr_db"], abs=1e-2)
        assert errors[pair]["largest"] == pytest.approx(wanted[column]["max_abs"], rel=1e-4)
    assert errors["executed_to_quantized"]["largest_lsb"] == wanted["lsb"]["max"]


def test_an_exact_program_differs_in_no_layer_from_its_graphs(of_small: Any, of_split: Any) -> None:
    """Each layer of a delegate whose tensor is stored is compared; the worst comes first."""
    for found in (of_small, of_split):
        errors = [found["layers"][number]["errors"]["executed_to_float"]["sqnr_db"] for number in found["worst"]]

        assert {row["exact"]["differing"] for row in found["layers"] if row["exact"]} == {0}
        assert found["first_difference"] is None
        assert errors == sorted(errors)
        assert len(errors) == len(found["layers"])


def test_a_layer_that_moves_no_data_is_seen_as_the_layer_before(of_small: Any) -> None:
    """Vela has no operation for it."""
    conv, view, linear = of_small["layers"]

    assert (view["npu"], view["seen_as"], view["inputs"], view["exact"]) == ([], 0, [0], None)
    assert view["errors"]["executed_to_float"] == conv["errors"]["executed_to_float"]
    assert linear["inputs"] == [1]


def test_velas_layers_have_its_estimates_and_the_operations_of_the_stream(small: Project, of_small: Any) -> None:
    """Each operation and each estimate belongs to one layer; MACs and cycles sum up to those of vela.json."""
    (total,) = small.json("build/r/ethos-u55-128/vela.json")["delegates"]
    parts = [part for row in of_small["layers"] for part in row["npu"]]
    operations = [one["operation"] for part in parts for one in part["operations"]]

    assert [part["operator"] for part in parts] == [one["operator"] for one in total["layers"]]
    assert [part["mac_utilisation"] for part in parts] == [one["mac_utilisation"] for one in total["layers"]]
    assert sum(part["cycles"]["total"] for part in parts) == sum(one["cycles"]["total"] for one in total["layers"])
    assert operations == list(range(len(operations)))
    assert all(part["traffic_bytes"] for part in parts)


def test_a_kernel_in_integers_leaves_the_value_of_its_layer(tmp_path: Path) -> None:
    """ExecuTorch's Cortex-M backend computes a convolution, its relu and what quantises them as one instruction."""
    target = Target("cortex-m55", "none", "cortex-m-mve")
    project = Project(tmp_path)
    project.write("model.py", CONV)
    one = recipe(target, lsb=None)
    project.run(*compile_steps(one, target), golden.step(one, target.profile), layers.step(one, target))
    rows = project.json("build/r/cortex-m55/layers.json")["layers"]

    assert [row["place"] for row in rows] == ["CPU"] * 3
    assert [row["not_seen"]["executed"] for row in rows] == [None] * 3
    assert {row["errors"]["executed_to_quantized"]["largest_lsb"] for row in rows} == {0.0}


def test_a_look_up_table_has_the_value_of_its_operator(tmp_path: Path) -> None:
    """The NPU looks an exponential up; its layer has that operation, and the value of the quantised program."""
    project = Project(tmp_path)
    project.write("model.py", CONV.replace("self.fc(torch.relu(self.conv(x)).flatten(1))", "self.conv(x).exp() * 2"))
    one = recipe(lsb=None)
    project.run(*compile_steps(one, U55), golden.step(one, U55.profile), layers.step(one, U55))
    found = project.json("build/r/ethos-u55-128/layers.json")
    (row,) = (row for row in found["layers"] if row["operators"][0]["operator"] == "exp.default")

    assert (row["not_seen"]["executed"], row["exact"]) == (None, {"differing": 0})
    assert row["errors"]["executed_to_quantized"]["largest_lsb"] == 0.0
    assert found["other_npu_work"] == []


def test_a_changed_weight_is_named_as_its_layer(small: Project, tmp_path: Path) -> None:
    """Of a program that is not what the delegates' graphs say, the first layer that differs."""
    project = Project(tmp_path / "changed")
    shutil.copytree(small.root, project.root)
    pte = project.root / "build/r/ethos-u55-128/model.pte"
    right, named = pte.read_bytes(), []
    with np.load(project.root / "build/r/tosa-u55/golden.npz") as file:
        sample = file["input_0"][0]
    for at, size in weights_of(pte).values():
        flip_a_weight(pte, range(at + size // 3, at + size), sample)
        found = layers_of(project)
        named.append((found["first_difference"]["layer"], found["layers"][-1]["exact"]["differing"] > 0))
        pte.write_bytes(right)

    assert named == [(0, True), (2, True)]


def flip_a_weight(pte: Path, places: range, sample: Any) -> None:
    """Change the first bit of a delegate's weights with which they still are weights, and the outputs others."""
    right, start = pte.read_bytes(), offset_of(pte)
    wanted = HostProgram(right).run(sample)[0]
    for at in places:
        wrong = bytearray(right)
        wrong[start + at] ^= 1 << at % 8
        with suppress(StepError):
            if not np.array_equal(HostProgram(bytes(wrong)).run(sample)[0], wanted):
                pte.write_bytes(wrong)
                return
    raise AssertionError("no such bit")
