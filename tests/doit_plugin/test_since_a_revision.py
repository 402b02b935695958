"""`doit --since REV` builds the recipes that read a file that has changed since a revision of git, and no others."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from built_project import FakeProject

OTHER = "recipes/other.yaml"


def git(root: Path, *words: str) -> None:
    who = ("-c", "user.name=n", "-c", "user.email=e@example.com", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *who, *words], cwd=root, check=True, capture_output=True)


@pytest.fixture(scope="module")
def built(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two recipes, built and committed; the model of `net` has imported helper.py."""
    project = FakeProject(Path(shutil.copytree(template, tmp_path_factory.mktemp("since") / "project")))
    root = project.root
    (root / "recipes/models/other.py").write_text("# another model")
    (root / OTHER).write_text(project.recipe.read_text().replace("net.py", "other.py"))
    (root / "helper.py").write_text("1")
    (root / ".gitignore").write_text("build/\nran\ncontrol.json\n")
    project.behave({"imports": ["helper.py"]})
    assert project.doit("-a", "export:net").returncode == 0
    project.behave({})
    assert project.doit().returncode == 0
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "first")
    project.ran()
    return root


@pytest.fixture
def committed(built: Path, tmp_path: Path) -> FakeProject:
    """A copy of it."""
    return FakeProject(Path(shutil.copytree(built, tmp_path / "project")))


def recipes_run(project: FakeProject, *words: str) -> set[str]:
    """The recipes whose tasks doit has looked at."""
    done = project.doit("--since", "HEAD", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return set(re.findall(r"^[a-z]+:(\w+)", done.stdout, re.MULTILINE))


@pytest.mark.parametrize(
    ("file", "touches"),
    [
        ("recipes/models/other.py", {"other"}),
        (OTHER, {"other"}),
        ("recipes/data/calibration.npz", {"net", "other"}),
        ("helper.py", {"net"}),
        ("pyproject.toml", {"net", "other"}),
    ],
)
def test_a_recipe_is_built_if_it_reads_what_has_changed(committed: FakeProject, file: str, touches: set[str]) -> None:
    """A model, a recipe, data, what a model was seen to import, and what all depend on."""
    with (committed.root / file).open("a") as opened:
        opened.write("\n# changed")

    assert recipes_run(committed) == touches


def test_a_change_that_no_recipe_reads_builds_nothing(committed: FakeProject) -> None:
    """And that is said."""
    (committed.root / "README.md").write_text("new")

    done = committed.doit("--since", "HEAD")

    assert (done.returncode, done.stdout, committed.ran()) == (
        0,
        "no recipe that was asked for reads what has changed since HEAD\n",
        set(),
    )


def test_a_new_python_file_counts_for_a_recipe_that_was_never_built(committed: FakeProject) -> None:
    """What its model would read is not known."""
    (committed.root / "new.py").write_text("")
    (committed.root / "build/.etbuild/steps/export.other.json").unlink()

    assert recipes_run(committed) == {"other"}


def test_a_named_task_of_another_recipe_is_left_out(committed: FakeProject) -> None:
    """A kind of step stands for that step of each recipe, and the option after it stays with it."""
    (committed.root / "recipes/models/other.py").write_text("# changed")

    assert recipes_run(committed, "vela:net", "pte:net@ethos-u55-128", "vela") == {"other"}
    assert recipes_run(committed, "sweep", "--fit=SRAM=2M") == {"other"}


def test_an_unknown_revision_is_refused(committed: FakeProject) -> None:
    """With git's own words, and no word of it is an option of git."""
    for revision in ("nowhere", "--output=x"):
        done = committed.doit(f"--since={revision}")

        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(f'--since: got "{revision}", wanted a revision of git: ')
    assert not (committed.root / "x").exists()
