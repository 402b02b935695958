"""Options of a step become its argv and are read back from it, for every kind of step."""

from __future__ import annotations

import types
import typing
from dataclasses import MISSING, Field, fields, is_dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etbuild.lint.part import Part
from etbuild.recipe.data_sections import SCHEMES, Rule
from etbuild.recipe.load import load_all
from etbuild.recipe.method_sections import Method, MethodSamples
from etbuild.recipe.model_sections import DTYPES, DynamicDim, Export, InputSpec, Model
from etbuild.recipe.program_sections import POINTS, Exclude, Pass
from etbuild.recipe.weight_sections import WeightChange
from etbuild.steps import export
from etbuild.steps.command_line import arguments, parse
from etbuild.steps.kinds import KINDS, steps_of

ROOT = Path(__file__).parents[2]

paths = st.from_regex(r"[a-z0-9_]+(/[A-Za-z0-9_. =,:+-]*[a-z0-9])?", fullmatch=True).map(Path)
words = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.@=+-]*", fullmatch=True)
names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.:]*", fullmatch=True)
sizes = st.integers(1, 2**31 - 1)
identifiers = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]*", fullmatch=True)
finite = st.floats(allow_nan=False, allow_infinity=False)
PARTS: dict[type, st.SearchStrategy[Any]] = {
    InputSpec: st.builds(InputSpec, file=paths)
    | st.builds(
        InputSpec,
        st.lists(sizes, max_size=8).map(tuple),
        st.sampled_from(DTYPES),
        st.tuples(finite, finite),
        st.integers(0, 2**32 - 1),
    ),
    DynamicDim: st.builds(
        DynamicDim,
        st.integers(0, 255),
        st.integers(0, 7),
        identifiers,
        st.tuples(sizes, sizes),
    ),
    Rule: st.one_of(
        st.builds(Rule, **{key: names}, scheme=st.sampled_from(SCHEMES))
        for key in ("module_name", "module_type", "operator")
    ),
    WeightChange: st.builds(
        WeightChange, st.sampled_from(("equalise", "correct_bias", "adaround")), module_name=st.none() | names
    )
    | st.builds(WeightChange, st.just("cluster"), values=st.integers(2, 256), module_name=st.none() | names)
    | st.builds(
        WeightChange,
        st.just("prune"),
        share=st.floats(0, 1, exclude_min=True, exclude_max=True),
        module_name=st.none() | names,
    ),
    Pass: st.builds(Pass, st.sampled_from(POINTS), paths, identifiers),
    Part: st.builds(Part, words, words, words, st.just("") | words, st.integers(0, 2**32)),
    Method: st.builds(Method, identifiers, identifiers),
    MethodSamples: st.builds(
        MethodSamples,
        identifiers,
        st.none() | paths,
        st.none() | st.integers(1, 1000000),
        st.none() | st.integers(0, 2**32 - 1),
    ),
    Exclude: st.one_of(
        st.builds(Exclude, **{key: names}) for key in ("module_name", "module_type", "operator", "node")
    ),
}


def options_of(cls: Any) -> st.SearchStrategy[Any]:
    """Any valid value of an option class or section; fields that are no option are "", as `parse` leaves them."""
    hints = typing.get_type_hints(cls)
    return st.builds(cls, **{one.name: value_of(one, hints[one.name]) for one in fields(cls)})


def value_of(one: Field[Any], hint: Any) -> st.SearchStrategy[Any]:
    if isinstance(hint, types.UnionType):
        (hint,) = set(typing.get_args(hint)) - {types.NoneType}
        return st.none() | value_of(one, hint)
    if is_dataclass(hint):
        return options_of(hint)
    setting = one.metadata.get("setting")
    if setting is None:
        return st.just("" if one.default is MISSING else one.default)
    if typing.get_origin(hint) is tuple:
        item = typing.get_args(hint)[0]
        values = PARTS[item] if item in PARTS else scalar(item, setting.items, ())
        return st.lists(values, max_size=3).map(tuple)
    return scalar(hint, setting.limits, setting.choices)


def scalar(hint: type, limits: typing.Mapping[str, Any], choices: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    """One value within the limits of its setting."""
    if choices or "enum" in limits:
        return st.sampled_from(choices or limits["enum"])
    if hint is Path:
        return paths
    if hint is str:
        # \w and $ of a pattern mean ASCII and the end of the text there.
        pattern = limits.get("pattern")
        return (
            st.from_regex(pattern.replace(r"\w", "[A-Za-z0-9_]"), fullmatch=True).map(str.strip) if pattern else words
        )
    if hint is int:
        return st.integers(limits.get("minimum", 0), limits.get("maximum", 2**31 - 1))
    if hint is float:
        return st.floats(limits.get("minimum", 0), limits.get("maximum", 1e9), allow_subnormal=False)
    return st.booleans()


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_options_are_read_back_from_their_argv(kind: str, data: st.DataObject) -> None:
    """With random values for every option of the kind."""
    module = KINDS[kind].module
    cls = import_module(module).Options
    options = data.draw(options_of(cls))

    assert parse(cls, arguments(options), module, None) == options


def test_the_argv_of_every_planned_step_is_read_back() -> None:
    """For the shipped recipes: parsed and written again it is the same."""
    again = {}
    planned = [step for recipe in load_all(ROOT) for step in steps_of(recipe)]
    for step in planned:
        module = KINDS[step.kind].module
        again[step.name] = arguments(parse(import_module(module).Options, step.argv, module, None))

    assert again == {step.name: step.argv for step in planned}


@pytest.mark.parametrize(
    "spec",
    [
        InputSpec((1, 3, 8, 8), "int8", (-4.5, 1e-3), 7),
        InputSpec((), range=(-1.0, 1.0)),
        InputSpec(file=Path("a=b,c.npy")),
    ],
)
def test_an_input_is_read_back_from_its_argument(spec: InputSpec) -> None:
    """A shape may be empty, and the name of a file may contain the separators."""
    assert InputSpec.parse(spec.to_argument()) == spec


def test_a_dynamic_axis_is_read_back_from_its_argument() -> None:
    """DynamicDim.to_argument and parse."""
    dim = DynamicDim(1, 2, "height", (1, 64))

    assert DynamicDim.parse(dim.to_argument()) == dim


def test_a_rule_is_read_back_from_its_argument() -> None:
    """A name may contain dots and colons."""
    rule = Rule(module_name="blocks.0:conv", scheme="int16x8")

    assert Rule.parse(rule.to_argument()) == rule


def test_a_path_that_begins_with_a_hyphen_is_read_back() -> None:
    """argparse takes it for an option unless "=" is before it."""
    options = export.Options(
        model=Model(reads=("-weights", "--o")), export=Export(), output=Path("-o"), depfile=Path("d")
    )

    assert parse(export.Options, arguments(options), "etbuild.steps.export", None) == options
