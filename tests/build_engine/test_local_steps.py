"""Steps that act on a device: they run whenever they are asked for, and no cache has a part in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from cached_project import STEP, Machine

from etbuild.build_engine.step import Step
from etbuild.build_engine.workspace import Workspace
from etbuild.doit_plugin.prediction import Prediction
from etbuild.steps.kinds import KINDS

DEPLOY = Step("deploy:r@v", (), (), ("build/r/deploy.json",), local=True)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path)
    monkeypatch.setenv("ETBUILD_CACHE", str(made.store))
    monkeypatch.setenv("FAKE_CONTROL", str(tmp_path / "control.json"))
    monkeypatch.setenv("FAKE_RAN", str(tmp_path / "ran"))
    made.behave()
    return made


def test_what_a_device_said_is_never_taken_from_a_cache(machine: Machine) -> None:
    """Nor stored in one: another checkout has to ask its own device."""
    local = STEP._replace(local=True)

    assert machine.checkout("a").run(local).how == "ran"
    assert machine.checkout("b").run(local).how == "ran"
    assert machine.checkout("c").run(STEP).how == "ran"
    assert machine.checkout("d").run(local).how == "ran"
    assert machine.runs == 4


def test_a_local_step_whose_inputs_are_unchanged_is_up_to_date(machine: Machine) -> None:
    """As any other: `run` on a board."""
    checkout = machine.checkout("a")
    local = STEP._replace(local=True)

    assert [checkout.run(local).how for _ in range(2)] == ["ran", "up to date"]


def test_a_deployment_is_never_up_to_date(machine: Machine) -> None:
    """What a board has in it is not known."""
    checkout = machine.checkout("a")

    outcomes = [checkout.run(DEPLOY) for _ in range(2)]

    assert [(one.how, [str(why) for why in one.why]) for one in outcomes] == [("ran", ["asked for"])] * 2


def test_why_says_of_a_deployment_that_it_runs_when_it_is_asked_for(tmp_path: Path) -> None:
    """Whatever became of its outputs."""
    forecast = Prediction(Workspace(tmp_path, KINDS)).of(DEPLOY)

    assert ([str(why) for why in forecast.why], forecast.after) == (["asked for"], ())
