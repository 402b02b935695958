"""Steps are plain data: strings that are stored, sent and compared."""

import json
import pickle

import pytest

from etbuild.build_engine.step import Step, outermost

STEP = Step("vela:net@a", ("--x",), ("in",), ("build/out",), ("ethos-u-vela",))


def from_json(text: str) -> Step:
    """As the plan's cache file is read."""
    name, argv, inputs, outputs, tools, depfile, local = json.loads(text)
    return Step(name, tuple(argv), tuple(inputs), tuple(outputs), tuple(tools), depfile, local)


def test_a_step_that_was_stored_is_the_step() -> None:
    """Its paths too."""
    stored = from_json(json.dumps(STEP))

    assert stored == STEP
    assert (stored.inputs, stored.outputs) == (STEP.inputs, STEP.outputs) == (("in",), ("build/out",))


def test_a_step_that_was_stored_can_be_sent() -> None:
    """To a worker, as any other."""
    assert pickle.loads(pickle.dumps(from_json(json.dumps(STEP)))) == STEP


def test_a_step_has_no_other_attributes() -> None:
    """Nor can one be added."""
    with pytest.raises(AttributeError, match="'Step' object has no attribute 'other'"):
        STEP.other  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.parametrize(
    ("name", "parts"),
    [("vela:net@a", ("vela", "net", "a")), ("export:net", ("export", "net", ""))],
)
def test_a_name_is_kind_recipe_and_part(name: str, parts: tuple[str, str, str]) -> None:
    """Steps that a recipe has once have no part."""
    step = STEP._replace(name=name)

    assert (step.kind, step.recipe, step.part) == parts


def test_what_is_in_a_folder_that_is_an_input_is_no_other_input() -> None:
    """A sandbox has a link to the folder, so there is no place for another one in it."""
    paths = ("data/a.npz", "model.py", "data", "data2/b", "/data/c", "data/a.npz")

    assert outermost(paths) == ("model.py", "data", "data2/b", "/data/c")
