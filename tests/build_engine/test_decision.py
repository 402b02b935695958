"""Decisions: one function returns whether a step runs and why."""

import json
from dataclasses import replace

import pytest

from etbuild.build_engine.decision import CurrentState, Reason, Record, reasons
from etbuild.build_engine.step import Step

STEP = Step(
    "vela:mnist@ethos-u55-128",
    ("--memory-mode", "Shared_Sram", "--out", "build/out"),
    ("in",),
    ("build/out",),
    ("ethos-u-vela",),
)
RECORD = Record(
    STEP.argv,
    {"ethos-u-vela": "5.1.0"},
    {"steps/vela.py": "s1"},
    {"in": "i1"},
    {"models/blocks.py": "m1"},
    {"build/out": "o1"},
)


def current(**changed: str | None) -> CurrentState:
    """The state that RECORD describes, except for the paths named here."""
    files: dict[str, str | None] = {"in": "i1", "models/blocks.py": "m1", "build/out": "o1", **changed}
    return CurrentState(
        lambda path: files[str(path)], lambda _: {"ethos-u-vela": "5.1.0"}, lambda _: {"steps/vela.py": "s1"}
    )


def test_nothing_changed_is_no_reason() -> None:
    """The empty tuple is the whole meaning of up to date."""
    assert reasons(STEP, RECORD, current()) == ()


def test_a_step_without_a_record_was_never_built() -> None:
    """No other reason is given."""
    assert reasons(STEP, None, current()) == (Reason("never built"),)


def test_a_setting_is_named_as_the_recipe_names_it() -> None:
    """--memory-mode is memory_mode to the user, with its old and its new value."""
    step = STEP._replace(argv=("--memory-mode", "Sram_Only", "--out", "build/out"))

    assert [str(reason) for reason in reasons(step, RECORD, current())] == ["memory_mode: Shared_Sram -> Sram_Only"]


def test_a_setting_that_was_added_has_no_old_value() -> None:
    """The missing side is printed as (nothing)."""
    step = STEP._replace(argv=(*STEP.argv, "--optimise", "Size"))

    assert [str(reason) for reason in reasons(step, RECORD, current())] == ["optimise: (nothing) -> Size"]


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"in": "i2"}, "input in: i1 -> i2"),
        ({"in": None}, "input in: i1 -> (nothing)"),
        ({"models/blocks.py": "m2"}, "imported models/blocks.py: m1 -> m2"),
        ({"models/blocks.py": None}, "imported models/blocks.py: m1 -> (nothing)"),
        ({"build/out": None}, "output build/out is missing"),
        ({"build/out": "o2"}, "output build/out is not what the step wrote"),
    ],
)
def test_a_file_that_differs_is_a_reason(changed: dict[str, str | None], text: str) -> None:
    """Inputs, what the step discovered by itself, and its own outputs."""
    assert [str(reason) for reason in reasons(STEP, RECORD, current(**changed))] == [text]


def test_a_tool_of_another_version_is_a_reason() -> None:
    """Old and new version are both named."""
    other = replace(RECORD, tools={"ethos-u-vela": "5.0.0"})

    assert [str(reason) for reason in reasons(STEP, other, current())] == ["ethos-u-vela: 5.0.0 -> 5.1.0"]


def test_a_change_of_our_own_source_is_a_reason() -> None:
    """An upgrade of etbuild rebuilds what its change may have touched."""
    other = replace(RECORD, source={"steps/vela.py": "s0"})

    assert [str(reason) for reason in reasons(STEP, other, current())] == ["source of steps/vela.py: s0 -> s1"]


def test_a_record_is_read_back_as_it_was_written() -> None:
    """JSON and back changes nothing."""
    assert Record.from_json(RECORD.to_json()) == RECORD


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"argv": 3}', json.dumps({"argv": [], "tools": 1})])
def test_a_damaged_record_is_none(text: str) -> None:
    """A record that cannot be read means a step that was never built, not an error."""
    assert Record.from_json(text) is None
