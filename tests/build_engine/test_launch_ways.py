"""Where a step may run."""

from __future__ import annotations

import pytest

from etbuild.build_engine.launch import Launcher, Programs
from etbuild.build_engine.step import Step
from etbuild.steps.kinds import KINDS

LOWER = Step("lower:r@cpu", (), ("build/r/cpu/quantized.pt2",), ("build/r/cpu/lowered.bin",))


def test_a_step_whose_inputs_are_known_only_after_it_ran_stays_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker gets the declared inputs alone; code of the user may import any file of the project."""
    monkeypatch.setenv("ETBUILD_SCHEDULER", "tcp://nowhere")
    launcher = Launcher(Programs(KINDS))

    assert launcher.ways(LOWER) == ("dask", "plain")
    assert launcher.ways(LOWER._replace(depfile="build/r/cpu/deps.json")) == ("plain",)
