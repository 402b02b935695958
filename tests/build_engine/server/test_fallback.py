"""A step whose server is lost runs in a plain process: with a message, and the same bytes."""

import json
from pathlib import Path

import pytest

from etbuild.build_engine import launch
from etbuild.build_engine.execute import Executor
from etbuild.build_engine.launch import Programs
from etbuild.build_engine.local import ProcessLost, ProcessResult
from etbuild.build_engine.workspace import Workspace
from etbuild.compile_server.spec import SERVER
from etbuild.errors import StepError
from etbuild.hardware.target import Target
from etbuild.recipe.model_sections import Model
from etbuild.recipe.recipe import Recipe
from etbuild.steps import sweep
from etbuild.steps.kinds import KINDS

# The one step that needs no compiler, as one that the server may run.
WARM_KINDS = KINDS | {"sweep": KINDS["sweep"]._replace(warm=True)}
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
    """No server could be reached or started."""

    def __init__(self, *_: object):
        raise ProcessLost("no compile server: [Errno 13] Permission denied")


class KilledChild:
    """Its child wrote half of the outputs and was killed."""

    def __init__(self, spec: object, step: object, module: str, files: tuple[Path, int, int]):
        (files[0] / "build/net/sweep.json").write_text("{half")

    def wait(self) -> ProcessResult:
        raise ProcessLost("the compile server's child was killed by signal 9")


class FailedStep:
    """The server ran the step, which failed."""

    def __init__(self, *_: object):
        pass

    def wait(self) -> ProcessResult:
        return ProcessResult(1, 0.1, 1 << 20)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of two projects, "warm" and "plain", with the input of the one step."""
    monkeypatch.delenv("ETBUILD_SERVER", raising=False)
    for folder in ("warm", "plain"):
        (tmp_path / folder / "build/net/cpu").mkdir(parents=True)
        (tmp_path / folder / "build/net/cpu/manifest.json").write_text(json.dumps(MANIFEST))
    return tmp_path


def executor(root: Path) -> Executor:
    return Executor(Workspace(root, WARM_KINDS), Programs(WARM_KINDS, SERVER))


def written(project: Executor) -> list[bytes]:
    return [(project.workspace.root / path).read_bytes() for path in STEP.outputs]


@pytest.mark.parametrize(
    ("request_class", "reason"),
    [
        (NoServer, "no compile server: [Errno 13] Permission denied"),
        (KilledChild, "the compile server's child was killed by signal 9"),
    ],
)
def test_a_lost_server_only_costs_time(
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    request_class: type,
    reason: str,
) -> None:
    """One line on stderr, and what a build without a server writes."""
    monkeypatch.setattr(launch, "Request", request_class)
    warm = executor(root / "warm")
    outcome = warm.run(STEP)
    printed = capsys.readouterr().err
    monkeypatch.setenv("ETBUILD_SERVER", "off")
    plain = executor(root / "plain")
    plain.run(STEP)

    assert outcome.how == "ran"
    assert printed == f"sweep:net: {reason}; a plain process does it\n"
    assert written(warm) == written(plain)
    assert list((warm.workspace.state / "sandbox").iterdir()) == []


def test_a_step_that_failed_in_the_server_is_not_tried_again(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its failure is its own."""
    monkeypatch.setattr(launch, "Request", FailedStep)

    with pytest.raises(StepError, match=r"^sweep:net ended with exit code 1"):
        executor(root / "warm").run(STEP)
    assert capsys.readouterr().err == ""


def test_no_server_is_asked_when_it_is_switched_off(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ETBUILD_SERVER=off."""
    monkeypatch.setattr(launch, "Request", NoServer)
    monkeypatch.setenv("ETBUILD_SERVER", "off")

    assert executor(root / "warm").run(STEP).how == "ran"
