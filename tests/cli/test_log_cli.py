"""`etbuild log`."""

import os
from pathlib import Path

import pytest

from etbuild.cli.main import main

LOGS = {
    "export.net": "exported\n",
    "lower.net@tosa-u55": "lowered for U55\n",
    "lower.net@tosa-u85": "lowered for U85\n",
}


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with the logs of three steps, oldest first."""
    folder = tmp_path / "build/.etbuild/logs"
    folder.mkdir(parents=True)
    for age, (name, text) in enumerate(LOGS.items()):
        (folder / f"{name}.log").write_text(text)
        os.utime(folder / f"{name}.log", (age, age))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_log_of_a_step_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a title."""
    assert main(["log", "lower:net@tosa-u85"]) == 0
    assert capsys.readouterr().out == "lowered for U85\n"


@pytest.mark.parametrize(
    ("task", "steps"),
    [
        ("lower:net", ["lower:net@tosa-u55", "lower:net@tosa-u85"]),
        ("build:net", ["export:net", "lower:net@tosa-u55", "lower:net@tosa-u85"]),
    ],
)
def test_a_group_prints_the_logs_of_its_steps(capsys: pytest.CaptureFixture[str], task: str, steps: list[str]) -> None:
    """In the order in which they ran, each with its name."""
    assert main(["log", task]) == 0
    assert capsys.readouterr().out == "".join(f"== {step}\n{LOGS[step.replace(':', '.')]}" for step in steps)


def test_an_unknown_task_gets_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2."""
    assert main(["log", "lower:net@tosa-55"]) == 2
    assert capsys.readouterr().err == (
        "lower:net@tosa-55: got no log, wanted a step that has run\n    did you mean lower:net@tosa-u55?\n"
    )


@pytest.mark.parametrize("task", ["pte:net", "pte:net@ethos-u55-128"])
def test_a_step_from_the_build_cache_has_no_log(capsys: pytest.CaptureFixture[str], project: Path, task: str) -> None:
    """It has not run here: the log of another one's is not what was meant."""
    (project / "build/.etbuild/steps").mkdir()
    (project / "build/.etbuild/steps/pte.net@ethos-u55-128.json").write_text("{}")

    assert main(["log", task]) == 2
    assert capsys.readouterr().err == (
        f"{task}: got no log, wanted a step that has run\n"
        f"    its outputs are from the build cache; it runs and prints with: doit -a {task}\n"
    )


def test_outside_of_a_project_the_message_says_where_to_run_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 1."""
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")

    assert main(["log", "lower:net"]) == 1
    assert capsys.readouterr().err == (
        "build/.etbuild/logs: got no logs, wanted those of a build\n    run it where dodo.py is, after doit\n"
    )
