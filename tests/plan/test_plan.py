"""Plans: pure data from recipes, cached between runs."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from etbuild.build_engine.step_sources import StepSources
from etbuild.errors import RecipeError
from etbuild.plan.plan import Plan, load_plan
from etbuild.recipe import load as load_module
from etbuild.system.digests import Digests

PLANS = Path(__file__).parents[1] / "plans"
sys.path.insert(0, str(PLANS))

from write import RECIPES, texts  # noqa: E402

RECIPE = """\
model: {source: $NET_FOLDER/net.py}
targets: {npu: ethos-u55-64, system_config: Ethos_U55_High_End_Embedded, memory_mode: Shared_Sram}
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one recipe, whose model's folder comes from the environment."""
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes/net.yaml").write_text(RECIPE)
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "net.py").touch()
    monkeypatch.setenv("NET_FOLDER", "../a")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def load(root: Path) -> Plan:
    digests = Digests(root, root / "digests.json")
    return load_plan(root, digests, StepSources(digests, root / "sources.json"))


def refuse(*_: object) -> None:
    raise AssertionError("a recipe was read")


@pytest.mark.parametrize("name", RECIPES)
def test_the_plan_of_a_shipped_recipe_is_the_expected_one(name: str) -> None:
    """Names, commands, inputs, outputs, tools; `python tests/plans/write.py` writes what is expected."""
    assert texts()[name] == (PLANS / f"{name}.txt").read_text()


def test_a_cached_plan_is_the_same_plan(root: Path) -> None:
    """JSON and back changes nothing."""
    first = load(root)

    assert load(root) == first


def test_a_cached_plan_is_used_without_reading_a_recipe(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A build with nothing to do reads no YAML and no schema."""
    first = load(root)
    monkeypatch.setattr("etbuild.recipe.load.load_each", refuse)

    assert load(root) == first


def test_a_fresh_checkout_has_the_last_plan_of_the_same_recipes(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is kept beside the caches of the user, and in the checkout from then on."""
    first = load(root)
    shutil.rmtree(root / "build")
    with monkeypatch.context() as patch:
        patch.setattr(load_module, "load_each", refuse)
        assert load(root) == first
    shutil.rmtree(root / "cache")

    assert load(root) == first


def test_the_last_plan_of_other_recipes_is_not_that_of_a_fresh_checkout(root: Path) -> None:
    """The names are the same, the content is not; nor is what the recipe names."""
    load(root)
    shutil.rmtree(root / "build")
    (root / "recipes/net.yaml").write_text(RECIPE.replace("u55-64", "u55-32"))
    changed = load(root)
    shutil.rmtree(root / "build")
    (root / "a/net.py").unlink()

    assert [outline.profiles for outline in changed.outlines] == [{"ethos-u55-32": "tosa-u55"}]
    with pytest.raises(RecipeError):
        load(root)


def test_a_changed_recipe_makes_a_new_plan(root: Path) -> None:
    """By the content of each file that the plan depends on."""
    load(root)
    (root / "recipes/net.yaml").write_text(RECIPE.replace("u55-64", "u55-32"))

    assert [outline.profiles for outline in load(root).outlines] == [{"ethos-u55-32": "tosa-u55"}]


def test_a_new_recipe_makes_a_new_plan(root: Path) -> None:
    """Which files exist is part of what a plan depends on."""
    load(root)
    (root / "recipes/other.yaml").write_text(RECIPE)

    assert [outline.name for outline in load(root).outlines] == ["net", "other"]


def test_a_variable_of_the_environment_makes_a_new_plan(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those, and only those, that the recipes use."""
    load(root)
    monkeypatch.setenv("NET_FOLDER", "../b")
    monkeypatch.setenv("SOMETHING_ELSE", "1")

    assert load(root).steps[0].inputs == ("b/net.py",)


def test_after_damage_of_its_cache_file_the_plan_is_made_again(root: Path) -> None:
    """An incomplete file, one of another version: no error."""
    first = load(root)
    file = root / "build/.etbuild/plan.json"
    data = json.loads(file.read_text())
    for damaged in ("", "{", "[]", json.dumps({**data, "steps": [1]}), json.dumps({**data, "steps": [["x"]]})):
        file.write_text(damaged)

        assert load(root) == first


def test_every_problem_of_every_recipe_is_reported_at_once(root: Path) -> None:
    """One run, one list."""
    (root / "recipes/net.yaml").write_text(RECIPE + "x: 1\n")
    (root / "recipes/other.yaml").write_text(RECIPE + "y: 1\n")

    with pytest.raises(RecipeError) as error:
        load(root)

    assert [problem.path for problem in error.value.problems] == ["x", "y"]


def test_only_a_recipe_that_changed_is_read_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Itself, or a file that it extends; the plan is the one that is made from nothing, in the same order."""
    read: list[str] = []
    own = load_module._load
    monkeypatch.setattr(load_module, "_load", lambda path, *more: (read.append(path.stem), own(path, *more))[1])
    for name in ("a", "net_u85", "other"):
        (root / f"recipes/{name}.yaml").write_text("extends: _base.yaml\n" if name == "other" else RECIPE)
    (root / "recipes/_base.yaml").write_text(RECIPE)
    load(root)
    found = []
    for changed in ("net.yaml", "_base.yaml"):
        read.clear()
        (root / f"recipes/{changed}").write_text(RECIPE.replace("u55-64", "u55-32"))
        plan = load(root)
        found.append(list(read))
        for kept in (root / "build/.etbuild/plan.json", root / "cache/etbuild/plan.json"):
            kept.unlink()

        assert plan == load(root)

    assert found == [["net"], ["other"]]
    assert [outline.name for outline in plan.outlines] == ["a", "net", "net_u85", "other"]


def test_a_recipe_that_breaks_leaves_the_plan_of_the_others(root: Path) -> None:
    """Its problems are reported in each run until it is repaired; then the plan is as before."""
    (root / "recipes/other.yaml").write_text(RECIPE)
    first = load(root)
    (root / "recipes/other.yaml").write_text(RECIPE + "y: 1\n")
    broken = [load(root), load(root)]
    (root / "recipes/other.yaml").write_text(RECIPE)

    found = [(plan.broken, len(plan.problems), plan.outlines) for plan in broken]
    assert found == [(("other",), 1, first.outlines[:1])] * 2
    assert load(root) == first
