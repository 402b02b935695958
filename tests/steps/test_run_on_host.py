"""Step run on the host: equality with golden, and the origin of the first difference."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from etbuild.errors import StepError
from etbuild.hardware.target import Target
from etbuild.host import parallel
from etbuild.host.program import MEMORY_LIMIT, HostProgram
from etbuild.recipe.model_sections import Model
from etbuild.recipe.recipe import Recipe
from etbuild.recipe.runtime_sections import Run
from etbuild.steps import run

PTE = Path(__file__).parents[1] / "pte" / "files" / "linear_u55.pte"

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def golden() -> dict[str, Any]:
    """Three vectors with the outputs of the host runtime, those of the delegate included."""
    program = HostProgram(PTE)
    x = np.random.default_rng(1).normal(0, 1, (3, *program.inputs[0].shape)).astype(np.float32)
    codes = np.random.default_rng(2).integers(-128, 128, x.shape).astype(np.int8)
    shape = program.outputs[0].shape
    answers = [program.run_delegate(0, [one.reshape(-1)], ["int8"])[0].reshape(shape) for one in codes]
    return {
        "input_0": x,
        "output_0": np.stack([program.run(one)[0] for one in x]),
        "delegate_0_input_0": codes,
        "delegate_0_output_0": np.stack(answers),
    }


def attempt(golden: dict[str, Any], folder: Path, tolerance: str = "0", *more: str) -> dict[str, Any]:
    np.savez(folder / "golden.npz", **golden)
    argv = ["--pte", str(PTE), "--golden", str(folder / "golden.npz"), "--output", str(folder / "run.json")]
    assert run.main([*argv, "--tolerance", tolerance, *more]) == 0
    return dict(json.loads((folder / "run.json").read_text()))


def counted(begin: Callable[..., None], calls: list[object]) -> Callable[..., None]:
    """A constructor that also records each call."""

    def construct(self: object, *arguments: object, **named: object) -> None:
        calls.append(self)
        begin(self, *arguments, **named)

    return construct


def test_equal_outputs_are_counted(golden: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In run.json and on stdout."""
    report = attempt(golden, tmp_path)

    assert (report["vectors"], report["bit_exact"]) == (3, 3)
    assert capsys.readouterr().out == "run on host (emulated NPU): 3/3 vectors bit-exact\n"


def test_the_first_of_many_vectors_that_differs_is_named(
    golden: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They run on several threads, each with a program of its own; the answer is that of one thread."""
    loaded = []
    monkeypatch.setattr(parallel, "processors", lambda: 3)
    monkeypatch.setattr(HostProgram, "__init__", counted(HostProgram.__init__, loaded))
    many = {name: np.tile(array, (20, *(1,) * (array.ndim - 1))) for name, array in golden.items()}
    wrong = many["output_0"].copy()
    for number in (31, 32, 47):
        wrong[number].reshape(-1)[0] += 1

    right = attempt(many, tmp_path)
    with pytest.raises(StepError) as caught:
        attempt({**many, "output_0": wrong}, tmp_path)

    assert (right["vectors"], right["bit_exact"]) == (60, 60)
    assert str(caught.value).startswith("vector 31, output 0: element ")
    assert 2 <= len(loaded) <= 6


def test_a_difference_on_the_cpu_is_reported_as_such(golden: dict[str, Any], tmp_path: Path) -> None:
    """The delegate is right on golden's inputs, so an operator on the CPU differs."""
    wrong = golden["output_0"].copy()
    wrong[1].reshape(-1)[2] += 1

    with pytest.raises(StepError) as caught:
        attempt({**golden, "output_0": wrong}, tmp_path)

    first, second, third = str(caught.value).splitlines()
    assert first.startswith("vector 1, output 0: element ")
    assert first.endswith(f"; 1 of {wrong[1].size} elements differ")
    assert second == "    every delegate is right on golden's inputs: the difference arises in an operator on the CPU"
    assert third == "    no run.tolerance accepts it: the outputs have nothing in common, or are not numbers"


def test_a_small_difference_on_the_cpu_has_the_tolerance_that_accepts_it(
    golden: dict[str, Any], tmp_path: Path
) -> None:
    """Its text is a part of a recipe, and the same run with it passes."""
    wrong = golden["output_0"].copy()
    wrong[1].reshape(-1)[2] *= np.float32(1.00001)

    with pytest.raises(StepError) as caught:
        attempt({**golden, "output_0": wrong}, tmp_path)

    remedy = str(caught.value).splitlines()[-1]
    found = re.fullmatch(
        r"    run: \{tolerance: (\S+)\} accepts it: floats that are added in another order differ in their last bits",
        remedy,
    )
    assert found, remedy
    assert attempt({**golden, "output_0": wrong}, tmp_path, found[1])["bit_exact"] == 2


def test_a_difference_in_a_delegate_names_the_operation(golden: dict[str, Any], tmp_path: Path) -> None:
    """Delegate, output, element and values, and the operation of the stream that wrote it."""
    outputs, answers = golden["output_0"].copy(), golden["delegate_0_output_0"].copy()
    outputs[0].reshape(-1)[2] += 1
    answers[0].reshape(-1)[2] ^= 1
    right = golden["delegate_0_output_0"][0].reshape(-1)[2]

    with pytest.raises(StepError) as caught:
        attempt({**golden, "output_0": outputs, "delegate_0_output_0": answers}, tmp_path)

    _, second, third = str(caught.value).splitlines()
    assert second.startswith(f"    first in delegate 0, output 0: element [2]: got {right}, wanted {right ^ 1}; 1 of ")
    assert third.startswith("    written by operation ")
    assert "CONV" in third


def test_a_recipe_sets_how_much_memory_its_pte_may_ask_for(golden: dict[str, Any], tmp_path: Path) -> None:
    """run.memory_limit is on the step's command line; the message names the key. Without it: that of `etbuild run`."""
    target = Target("ethos-u55-128", "ethos-u55-128", "tosa-u55")
    steps = [
        run.step(Recipe("net", (), Model(), (target,), run=one), target) for one in (Run(), Run(memory_limit=9000))
    ]
    by_default, limited = [list(step.argv if step else ()) for step in steps]
    words = limited[(at := limited.index("--memory-limit")) : at + 2]

    with pytest.raises(StepError) as caught:
        attempt(golden, tmp_path, "0", *words)

    assert [*limited[:at], *limited[at + 2 :]] == by_default
    assert (Run().memory_limit, attempt(golden, tmp_path)["bit_exact"]) == (MEMORY_LIMIT, 3)
    first, second = str(caught.value).splitlines()
    assert re.fullmatch(rf"{PTE}: memory: got a program that asks for at least \d+ bytes, wanted at most 9000", first)
    assert second.endswith(" in a recipe run: {memory_limit: SIZE}")
