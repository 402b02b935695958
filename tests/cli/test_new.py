"""The repository that `etbuild new` leaves: valid for editors on every machine, and ready to build, run and check."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from etbuild.cli.main import main
from etbuild.config import yaml_tree
from etbuild.config.diagnostics import Diagnostics
from etbuild.config.schemas import schema_file
from etbuild.recipe.load import load_all

NPUS = ["none", "ethos-u55-128", "ethos-u65-256", "ethos-u85-256"]


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "own"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("npu", NPUS)
def test_the_schema_of_a_new_recipe_is_found_in_every_clone(own_folder: Path, npu: str) -> None:
    """The first line names a file of the repository, relative to the recipe; the recipe is valid by it."""
    assert main(["new", "net", "--npu", npu]) == 0
    clone = shutil.copytree(own_folder, own_folder.parent / "clone") / "recipes/net.yaml"
    shutil.rmtree(own_folder / "schemas")

    first = clone.read_text().partition("\n")[0]
    assert first == "# yaml-language-server: $schema=../schemas/recipe.schema.json"
    schema = json.loads((clone.parent / first.partition("$schema=")[2]).read_text())
    tree = yaml_tree.read(clone.read_bytes(), clone, Diagnostics())
    assert tree is not None
    assert list(Draft202012Validator(schema).iter_errors(yaml_tree.plain(tree))) == []


def test_no_file_of_a_new_repository_names_this_machine(own_folder: Path) -> None:
    """Neither the folder, nor where etbuild is installed."""
    assert main(["new", "net"]) == 0

    texts = [path.read_text() for path in own_folder.rglob("*") if path.is_file()]
    assert len(texts) == 5
    assert [text for text in texts if str(own_folder) in text or str(schema_file("recipe").parent) in text] == []


@pytest.mark.parametrize("npu", NPUS)
def test_a_new_recipe_is_built_run_and_checked(own_folder: Path, npu: str) -> None:
    """It has a board, runs on it, and a limit for the difference from the float model; none is an NPU too."""
    assert main(["new", "net", "--npu", npu]) == 0

    (recipe,) = load_all(own_folder)
    assert [target.npu for target in recipe.targets] == [npu]
    assert recipe.runtime is not None
    assert (recipe.runtime.board.name, recipe.run.on, recipe.golden.atol) == ("qemu-mps3-an547", "auto", 0.02)


def test_a_new_recipe_of_an_own_model_has_no_limit_that_fits_the_example_alone(own_folder: Path) -> None:
    """The unit of its outputs is unknown; the lines are there as a comment."""
    (own_folder / "mine.py").touch()

    assert main(["new", "net", "--model", "mine.py"]) == 0

    assert load_all(own_folder)[0].golden.atol is None
    assert "\n# golden:\n#   atol: 0.02\n" in (own_folder / "recipes/net.yaml").read_text()


def test_outputs_of_a_new_repository_are_not_committed(own_folder: Path) -> None:
    """git sees the sources and nothing that a build writes."""
    assert main(["new", "net"]) == 0
    for name in ("build/net/model.pte", "build/.etbuild/doit.json", "recipes/models/__pycache__/net.pyc"):
        (own_folder / name).parent.mkdir(parents=True, exist_ok=True)
        (own_folder / name).touch()
    subprocess.run(["git", "init", "-q"], check=True)

    done = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True, check=True)

    assert done.stdout.split() == [
        *(".gitignore", "dodo.py", "recipes/models/net.py", "recipes/net.yaml", "schemas/recipe.schema.json")
    ]


def test_a_second_recipe_adds_its_own_files_only(own_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the first one wrote is there already, and is not mentioned."""
    assert main(["new", "first"]) == 0
    capsys.readouterr()

    assert main(["new", "second"]) == 0

    assert capsys.readouterr().out == (
        "wrote recipes/second.yaml\nwrote recipes/models/second.py\nnext: doit build:second\n"
    )


def test_files_that_are_there_are_kept_and_what_they_lack_is_said(
    own_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A .gitignore without build/, and a schema of another version of etbuild."""
    (own_folder / ".gitignore").write_text("*.o\n")
    (own_folder / "schemas").mkdir()
    (own_folder / "schemas/recipe.schema.json").write_text("{}\n")

    assert main(["new", "net"]) == 0

    assert capsys.readouterr().out == (
        "wrote recipes/net.yaml\n"
        "wrote recipes/models/net.py\n"
        "wrote dodo.py\n"
        "schemas/recipe.schema.json is not that of this etbuild: delete it, and `etbuild new` writes it again\n"
        ".gitignore has no line build/: add it, all outputs are there\n"
        "next: doit build:net\n"
    )
    assert (own_folder / ".gitignore").read_text() == "*.o\n"
    assert (own_folder / "schemas/recipe.schema.json").read_text() == "{}\n"
