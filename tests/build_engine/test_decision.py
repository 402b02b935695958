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
    1.5,
    1 << 20,
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


def test_a_tool_that_only_one_side_has_is_a_reason() -> None:
    """A compiler that a step no longer uses, and one that it uses now."""
    other = replace(RECORD, tools={"c++": "12"})

    assert reasons(STEP, other, current()) == (Reason("c++", "12", ""), Reason("ethos-u-vela", "", "5.1.0"))


def test_a_change_of_our_own_source_is_a_reason() -> None:
    """An upgrade of etbuild rebuilds what its change may have touched."""
    other = replace(RECORD, source={"steps/vela.py": "s0"})

    assert [str(reason) for reason in reasons(STEP, other, current())] == ["source of steps/vela.py: s0 -> s1"]


def test_a_record_is_read_back_as_it_was_written() -> None:
    """JSON and back changes nothing."""
    assert Record.from_json(RECORD.to_json()) == RECORD


def test_every_difference_is_named_in_the_order_of_interest() -> None:
    """Settings, tools, our own source, inputs, what was discovered, outputs: one step may have them all."""
    other = Record(
        ("--x", "1"), {"ethos-u-vela": "5.0.0"}, {"steps/vela.py": "s0"}, {"in": "i0"}, {"models/blocks.py": "m0"}
    )

    assert [reason.key for reason in reasons(STEP, other, current())] == [
        *("x", "memory_mode", "out", "ethos-u-vela", "source of steps/vela.py", "input in"),
        *("imported models/blocks.py", "output build/out is not what the step wrote"),
    ]


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("--mode=a", "--mode=b", "mode: a -> b"),
        ("--dry-run", "", "dry_run"),
        ("--a-b 1 2", "--a-b 2 3", "a_b: 1 -> 3"),
        ("--n 1", "--n 1 1", "n: 1 -> 1 1"),
        ("--n 1 2", "--n 2 1", "n: 1 2 -> 2 1"),
        ("--n 1", "--n 1 2", "n: (nothing) -> 2"),
        ("--n 1 2 3", "--n 1", "n: 2 3 -> (nothing)"),
        ("--n 1", "--n 1 2 3", "n: (nothing) -> 2 3"),
        ("first --n 1", "second --n 1", "arguments: first -> second"),
        ("--a 1 --b 2", "--b 2 --a 1", "order of settings: --a 1 --b 2 -> --b 2 --a 1"),
        ("--n 1 --n 2", "--n 1 --n 3", "n: 2 -> 3"),
    ],
)
def test_what_differs_in_a_setting_is_shown(old: str, new: str, text: str) -> None:
    """Only the values that one side has; both sides in full where the same values are in another order or number."""
    step = STEP._replace(argv=tuple(new.split()))
    record = replace(RECORD, argv=tuple(old.split()))

    assert [str(reason) for reason in reasons(step, record, current())] == [text]


def test_of_a_digest_ten_digits_are_shown() -> None:
    """What is no SHA-256, such as a version, is shown in full."""
    digest, no_digest = "0123456789abcdef" * 4, "0123456789abcdef" * 4 + "0"
    record = replace(RECORD, inputs={"in": digest}, tools={"ethos-u-vela": no_digest})

    assert [str(reason) for reason in reasons(STEP, record, current())] == [
        f"ethos-u-vela: {no_digest} -> 5.1.0",
        "input in: 0123456789 -> i1",
    ]


def test_a_record_is_json_with_one_value_a_line() -> None:
    """People read and compare records; what was not measured is nothing."""
    assert Record(("--x",), outputs={"a": "o1"}).to_json() == (
        '{\n "argv": [\n  "--x"\n ],\n "tools": {},\n "source": {},\n "inputs": {},\n "discovered": {},\n'
        ' "outputs": {\n  "a": "o1"\n },\n "seconds": 0.0,\n "peak_bytes": 0\n}'
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("argv", ["--x", 1]),
        *((name, {"a": "1", "b": 2}) for name in ("tools", "source", "inputs", "discovered", "outputs")),
        ("seconds", "1"),
        ("seconds", None),
        ("peak_bytes", 1.5),
        ("peak_bytes", "1"),
    ],
)
def test_a_record_with_one_field_of_another_type_is_none(field: str, value: object) -> None:
    """All other fields are right: none of them makes up for it."""
    data = json.loads(RECORD.to_json())

    assert Record.from_json(json.dumps(data | {field: value})) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"argv": 3}', json.dumps({"argv": [], "tools": 1})])
def test_a_damaged_record_is_none(text: str) -> None:
    """A record that cannot be read means a step that was never built, not an error."""
    assert Record.from_json(text) is None
