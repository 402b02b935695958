"""The workflow for users: it is YAML, its commands work, pull requests write no cache."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from built_project import FakeProject

ROOT = Path(__file__).parents[2]
WORKFLOW = ROOT / ".github/workflows/etbuild.yml"
VARIABLE = re.compile(r"\bETBUILD_[A-Z_]+\b")


@pytest.fixture(scope="module")
def models() -> dict[str, Any]:
    """The job that users copy."""
    job: dict[str, Any] = yaml.safe_load(WORKFLOW.read_text())["jobs"]["models"]
    return job


def test_the_commands_build_and_then_find_nothing_to_do(models: dict[str, Any], tmp_path: Path) -> None:
    """In their order, in a project whose steps are done by fake_step.py."""
    project = FakeProject(tmp_path)
    (tmp_path / "bootstrap").write_text('#!/bin/sh\nexec "$@"\n')
    (tmp_path / "bootstrap").chmod(0o755)
    programs = os.pathsep.join([str(Path(project.command()[0]).parent), os.environ["PATH"]])
    caches = {"ETBUILD_CACHE": str(tmp_path / "cache"), "XDG_CACHE_HOME": str(tmp_path / "home")}
    environment = {**project.environment, "PATH": programs, **caches}
    printed = []
    for step in models["steps"]:
        if "run" in step:
            command = ["bash", "-e", "-c", step["run"]]
            done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
            printed.append(done.stdout.splitlines())

    assert printed[1][-1] == "all up to date"
    assert all(re.fullmatch(r".*: removed 0 files, .* left", line) for line in printed[2])


def test_only_a_push_to_the_main_branch_saves_the_cache(models: dict[str, Any]) -> None:
    """Pull requests restore it."""
    triggers = yaml.safe_load(WORKFLOW.read_text())[True]
    savers = [step for step in models["steps"] if step.get("uses", "").startswith("actions/cache/save")]

    assert triggers == {"push": {"branches": ["main"]}, "pull_request": None}
    assert [step["if"].split(" && ")[0] for step in savers] == ["github.event_name == 'push'"]
    assert not any(step.get("uses", "").startswith("actions/cache@") for step in models["steps"])


@pytest.mark.parametrize(
    "changed",
    ["recipes/net.yaml", "recipes/data/x.npz", "src/layers/block.py", "etbuild/runtime/a.cc", "constraints.txt"],
)
def test_what_changes_results_changes_the_key_of_the_cache(models: dict[str, Any], changed: str) -> None:
    """A cache that is restored by its exact key is not saved again: every push would build the change anew."""
    (key,) = (step["with"]["key"] for step in models["steps"] if step.get("id") == "cache")
    patterns = re.findall(r"'([^']+)'", key)

    assert any(re.fullmatch(as_expression(pattern), changed) for pattern in patterns)


def as_expression(pattern: str) -> str:
    """A pattern of hashFiles as a regular expression."""
    return re.escape(pattern).replace(r"\*\*/", "(.*/)?").replace(r"\*\*", ".*").replace(r"\*", "[^/]*")


def test_the_restored_folder_is_the_one_that_etbuild_uses(models: dict[str, Any]) -> None:
    """One path is restored, filled and saved."""
    paths = {step["with"]["path"] for step in models["steps"] if "/cache/" in step.get("uses", "")}

    assert paths == {".cache/etbuild"}
    assert models["env"]["ETBUILD_CACHE"].endswith("/.cache/etbuild")


def test_every_variable_that_is_documented_is_read() -> None:
    """By environment.py, under that name."""
    documented = set(VARIABLE.findall(WORKFLOW.read_text() + (ROOT / "docs/ci.md").read_text()))

    assert documented <= set(VARIABLE.findall((ROOT / "etbuild/system/environment.py").read_text()))


def test_the_examples_in_the_page_are_yaml() -> None:
    """Each block."""
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/ci.md").read_text(), re.DOTALL)

    assert [list(yaml.safe_load(block)) for block in blocks] == [["env"]]
