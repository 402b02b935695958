"""A step whose server is lost is done by a plain process: said, and with the same bytes."""

import json
from pathlib import Path

import pytest

from etbuild.build_engine import launch
from etbuild.build_engine.local import ProcessLost, ProcessResult
from etbuild.build_engine.workspace import Workspace
from etbuild.errors import StepError
from etbuild.hardware.target import Target
from etbuild.recipe.model_sections import Model
from etbuild.recipe.recipe import Recipe
from etbuild.steps import sweep

STEP = sweep.step(Recipe("net", (), Model(), (Target("cpu", "none", "cpu"),)))
MANIFEST = {
    "pte": {"bytes": 8, "sha256": "0" * 64},
    "target": {
        "npu": "none",
        "system_config": "",
        "memory_mode": "",
        "optimise": "Performance",
        "arena_cache_size_bytes": None,
    },
    "operators": {"npu_share": 0.0},
    "memory": {
        "planned_bytes": [4],
        "constant_bytes": 0,
        "scratch_bytes": 0,
        "fast_scratch_bytes": 0,
        "weight_bytes": 0,
        "command_bytes": 0,
    },
    "macs": 0,
}


class NoServer:
    """None could be reached or started."""

    def __init__(self, *_: object):
        raise ProcessLost("no compile server: [Errno 13] Permission denied")


class KilledChild:
    """Its child wrote half of the outputs and was killed."""

    def __init__(self, step: object, sandbox: Path, log: int, alive: int):
        (sandbox / "build/net/sweep.json").write_text("{half")

    def wait(self) -> ProcessResult:
        raise ProcessLost("the compile server's child was killed by signal 9")


class FailedStep:
    """The server did its part; the step itself failed."""

    def __init__(self, *_: object):
        pass

    def wait(self) -> ProcessResult:
        return ProcessResult(1, 0.1, 1 << 20)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of two projects with what the one step reads; the step may come from a server."""
    monkeypatch.setattr(launch, "WARM", {STEP.kind})
    monkeypatch.delenv("ETBUILD_SERVER", raising=False)
    for folder in ("warm", "plain"):
        (tmp_path / folder / "build/net/cpu").mkdir(parents=True)
        (tmp_path / folder / "build/net/cpu/manifest.json").write_text(json.dumps(MANIFEST))
    return tmp_path


def written(space: Workspace) -> list[bytes]:
    return [(space.root / path).read_bytes() for path in STEP.outputs]


@pytest.mark.parametrize(
    ("request_class", "words"),
    [
        (NoServer, "no compile server: [Errno 13] Permission denied"),
        (KilledChild, "the compile server's child was killed by signal 9"),
    ],
)
def test_a_lost_server_costs_time_only(
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    request_class: type,
    words: str,
) -> None:
    """One line on stderr, and what a build without a server writes."""
    monkeypatch.setattr(launch, "Request", request_class)
    warm = Workspace(root / "warm")
    outcome = warm.run(STEP)
    said = capsys.readouterr().err
    monkeypatch.setenv("ETBUILD_SERVER", "off")
    plain = Workspace(root / "plain")
    plain.run(STEP)

    assert outcome.how == "ran"
    assert said == f"sweep:net: {words}; a plain process does it\n"
    assert written(warm) == written(plain)
    assert list((warm.state / "sandbox").iterdir()) == []


def test_a_step_that_failed_in_the_server_is_not_tried_again(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its failure is its own."""
    monkeypatch.setattr(launch, "Request", FailedStep)

    with pytest.raises(StepError, match=r"^sweep:net ended with exit code 1"):
        Workspace(root / "warm").run(STEP)
    assert capsys.readouterr().err == ""


def test_without_a_server_none_is_asked(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ETBUILD_SERVER=off."""
    monkeypatch.setattr(launch, "Request", NoServer)
    monkeypatch.setenv("ETBUILD_SERVER", "off")

    assert Workspace(root / "warm").run(STEP).how == "ran"
