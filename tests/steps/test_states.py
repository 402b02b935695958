"""Models that keep state: each vector finds what those before it left, in golden, on the host and in QEMU."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from project import CPU, U55, U85, Project, compile_steps
from stateful import ATTENTION, BETWEEN, QUANTISED, RECURRENT, ROWS, SHIFTED, STEPS, TOKEN, project_of

from etbuild.compile.exported_program import load_program
from etbuild.recipe.load import load_all
from etbuild.steps import firmware, golden, run

if TYPE_CHECKING:
    from pathlib import Path

    from etbuild.hardware.target import Target

pytestmark = pytest.mark.e2e


def built(folder: Path, model: tuple[str, str], target: Target, scheme: str = "int8") -> tuple[Project, dict[str, Any]]:
    """The project, and run.json of the host."""
    made = project_of(folder, model, target, scheme)
    (one,) = load_all(folder)
    (target,) = one.targets
    host = run.step(replace(one, run=replace(one.run, on="host")), target)
    assert host is not None
    made.run(*compile_steps(one, target), golden.step(one, target.profile), host)
    return made, made.json(f"build/r/{target.variant}/run.json")


def error_against_float(project: Project, profile: str) -> float:
    """The largest, as a part of the float model's largest output."""
    with np.load(project.root / f"build/r/{profile}/golden.npz") as arrays:
        return float(np.abs(arrays["output_0"] - arrays["float_0"]).max() / np.abs(arrays["float_0"]).max())


def on_cpu(project: Project, profile: str) -> set[str]:
    """The operators on the CPU, without the border to floating point."""
    operators = project.json(f"build/r/{profile}/partition.json")["operators"]
    return {one["operator"] for one in operators if one["place"] == "CPU" and one["class"] == "compute"}


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(ROWS, id="rows"),
        pytest.param(RECURRENT, marks=pytest.mark.slow, id="recurrent"),
        pytest.param(SHIFTED, marks=pytest.mark.slow, id="shifted"),
    ],
)
def test_each_step_on_the_u85_finds_what_those_before_it_left(model: tuple[str, str], tmp_path: Path) -> None:
    """Bit by bit as the TOSA reference model, near the float model, and all of it on the NPU but the cast of the
    position: the states are the integers that it computes with."""
    made, report = built(tmp_path, model, U85)

    program = load_program(tmp_path / "build/r/tosa-u85/quantized.pt2")
    states = {name: program.state_dict[name].dtype for name in program.graph_signature.buffers_to_mutate.values()}
    assert report["bit_exact"] == report["vectors"] == STEPS
    assert error_against_float(made, "tosa-u85") < 0.02
    assert on_cpu(made, "tosa-u85") <= {"dim_order_ops._to_dim_order_copy.default"}
    assert {str(dtype) for name, dtype in states.items() if name != "calls"} == {"torch.int8"}


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(ROWS, id="rows"),
        pytest.param(RECURRENT, marks=pytest.mark.slow, id="recurrent"),
        pytest.param(BETWEEN, marks=pytest.mark.slow, id="between"),
    ],
)
def test_a_state_of_a_u55_is_exact_too(model: tuple[str, str], tmp_path: Path) -> None:
    """The CPU replaces rows, which the NPU cannot; a state between two delegates is read by both."""
    made, report = built(tmp_path, model, U55)

    assert report["bit_exact"] == report["vectors"] == STEPS
    assert error_against_float(made, "tosa-u55") < 0.02


@pytest.mark.slow
def test_a_token_is_chosen_and_read_in_the_next_step(tmp_path: Path) -> None:
    """The CPU's argmax gives 64 bits, and the NPU reads 32."""
    made, report = built(tmp_path, TOKEN, U85)

    state = load_program(tmp_path / "build/r/tosa-u85/quantized.pt2").state_dict
    assert report["bit_exact"] == report["vectors"] == STEPS
    assert [str(state[name].dtype) for name in ("token", "mask")] == ["torch.int32", "torch.int8"]
    assert error_against_float(made, "tosa-u85") < 0.02


@pytest.mark.slow
@pytest.mark.parametrize("target", [pytest.param(U55, id="u55"), pytest.param(U85, id="u85")])
def test_a_cache_of_the_models_own_integers_is_exact(target: Target, tmp_path: Path) -> None:
    made, report = built(tmp_path, QUANTISED, target)

    assert report["bit_exact"] == report["vectors"] == STEPS
    assert error_against_float(made, target.profile) < 0.1


def test_a_program_without_npu_keeps_its_state_in_floats(tmp_path: Path) -> None:
    """It begins with ones, which are in the .pte: ExecuTorch by itself does not write them."""
    made, report = built(tmp_path, ROWS, CPU, "none")

    assert report["bit_exact"] == report["vectors"] == STEPS
    assert error_against_float(made, "cpu") < 1e-6
    with np.load(tmp_path / "build/r/cpu/golden.npz") as arrays:
        assert (arrays["output_0"][0, 0, 1:] == 2.0).all()


@pytest.mark.skipif(
    not (shutil.which("qemu-system-arm") and shutil.which("arm-none-eabi-g++")),
    reason="no QEMU or no cross compiler on this machine",
)
def test_a_cache_of_keys_and_values_is_kept_on_the_host_and_in_qemu(tmp_path: Path) -> None:
    """From vector to vector of one run; all of the attention is in the Ethos-U85's one delegate."""
    made, on_host = built(tmp_path, ATTENTION, U85)
    assert on_host["bit_exact"] == on_host["vectors"] == STEPS
    assert error_against_float(made, "tosa-u85") < 0.02
    assert on_cpu(made, "tosa-u85") == {"dim_order_ops._to_dim_order_copy.default"}
    (one,) = load_all(tmp_path)
    (target,) = one.targets
    image, in_qemu = firmware.step(one, target), run.step(one, target)
    assert image and in_qemu

    made.run(image, in_qemu)

    report = made.json(f"build/r/{target.variant}/run.json")
    assert (report["on"], report["vectors"], report["bit_exact"]) == ("qemu", STEPS, STEPS)
