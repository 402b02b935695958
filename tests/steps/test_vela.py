"""Step vela: the files of each delegate, and Vela's figures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from project import U55, Project, recipe

from etbuild.hardware.target import Vela
from etbuild.steps import vela


def test_a_step_names_what_it_reads_and_writes() -> None:
    """A target with its own config file; the graphs are those of its profile."""
    target = replace(U55, vela=Vela(Path("configs/my.ini"), "Size", 65536, ("--disable-chaining",)))

    step = vela.step(recipe(target), target)

    assert step.argv == (
        *("--npu", "ethos-u55-128", "--system-config", "Ethos_U55_High_End_Embedded"),
        *("--memory-mode", "Shared_Sram", "--ini", "configs/my.ini", "--optimise", "Size"),
        *("--arena-cache-size", "65536", "--vela-flag=--disable-chaining"),
        *("--delegates", "build/r/tosa-u55/delegates", "--output", "build/r/ethos-u55-128/vela"),
        *("--report", "build/r/ethos-u55-128/vela.json"),
    )
    assert step.inputs == ("build/r/tosa-u55/delegates", "configs/my.ini")


@pytest.mark.e2e
def test_every_delegate_has_its_own_files(split: Project) -> None:
    """Vela gives all of them the same names."""
    names = sorted(file.name for file in (split.root / "build/r/ethos-u55-128/vela").iterdir())

    assert names == sorted(
        f"{n}{end}" for n in (0, 1) for end in (".bin", "_debug.xml", "_per-layer.csv", "_summary.csv")
    )


@pytest.mark.e2e
def test_figures_are_reported_per_delegate_and_layer_and_in_total(small: Project) -> None:
    """MACs are those of the layers: 4 filters of 3x3x2 at 16 positions, and 64 times 3."""
    report = small.json("build/r/ethos-u55-128/vela.json")

    (delegate,) = report["delegates"]
    assert report["kind"] == "estimate"
    assert sum(layer["macs"] for layer in delegate["layers"]) == delegate["macs"] == report["total"]["macs"]
    assert delegate["macs"] == 4 * 3 * 3 * 2 * 16 + 64 * 3
    assert report["total"]["memory_bytes"]["sram"] == delegate["scratch_bytes"]
    assert report["total"]["memory_bytes"]["off_chip_flash"] >= delegate["weight_bytes"] > 0


@pytest.mark.e2e
def test_the_zeros_of_each_layer_are_counted(small: Project) -> None:
    """Those of the float weights that are below half a step of their channel."""
    namespace: dict[str, Any] = {}
    exec((small.root / "model.py").read_text(), namespace)
    state = namespace["ModelUnderTest"].state_dict()
    weights = [state[name].flatten(1) for name in ("conv.weight", "fc.weight")]
    steps = [one.abs().amax(1, keepdim=True) / 127 for one in weights]
    wanted = [(one.numel(), int((one / step).round().eq(0).sum())) for one, step in zip(weights, steps, strict=True)]

    (delegate,) = small.json("build/r/ethos-u55-128/vela.json")["delegates"]

    assert [(one["values"], one["zeros"]) for one in delegate["weights"]] == wanted
    assert {one["operator"] for one in delegate["weights"]} == {"CONV2D"}
    assert any(zeros > 0 for _, zeros in wanted)
