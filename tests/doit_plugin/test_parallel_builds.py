"""Several builds, or several steps of one, at the same time."""

import subprocess
from pathlib import Path

import pytest
from built_project import ALL, FakeProject, rebuilt


def codes_of_builds(projects: list[FakeProject]) -> list[int]:
    """The exit codes of builds that begin at the same time."""
    processes = [
        subprocess.Popen(one.command("-n", "2"), cwd=one.root, env=one.environment, stdout=subprocess.DEVNULL)
        for one in projects
    ]
    return [process.wait() for process in processes]


@pytest.mark.parametrize("builds", [2, 8])
def test_builds_of_one_checkout_at_the_same_time(project: FakeProject, builds: int) -> None:
    """Each step runs once, all builds succeed."""
    (project.root / "recipes/models/net.py").write_text("# new")
    project.behave({"export:net": "wait", "lower:net@tosa-u55": "wait"})

    codes = codes_of_builds([project] * builds)

    assert codes == [0] * builds
    assert project.ran() == ALL


@pytest.mark.parametrize("builds", [2, 8])
def test_builds_of_many_checkouts_at_the_same_time_share_one_cache(tmp_path: Path, builds: int) -> None:
    """Each step runs once in all of them together, and all have the same bytes."""
    projects = [FakeProject(tmp_path / f"checkout{number}") for number in range(builds)]
    for project in projects:
        shared = {"ETBUILD_CACHE": str(tmp_path / "store"), "FAKE_RAN": str(projects[0].root / "ran")}
        project.environment |= shared

    codes = codes_of_builds(projects)

    assert codes == [0] * builds
    assert projects[0].ran() == ALL
    assert [project for project in projects if project.outputs() != projects[0].outputs()] == []


def test_parallel_steps_give_the_same_bytes(project: FakeProject) -> None:
    """doit -n 2."""
    before = project.outputs()
    project.doit("clean")
    cleaned = project.outputs()

    assert rebuilt(project, "-n", "2") == ALL
    assert cleaned == {}
    assert project.outputs() == before
