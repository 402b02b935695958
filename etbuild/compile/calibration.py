"""Calibrates a prepared module with samples; a model that keeps state finds what the samples before it left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from etbuild.errors import StepError

if TYPE_CHECKING:
    from etbuild.compile.inputs import Inputs
    from etbuild.compile.states import State
    from etbuild.recipe.data_sections import Data


def calibrate(prepared: Any, example: Inputs, samples: Sequence[Sequence[Any]], states: Sequence[State]) -> None:
    """Call the module with all samples, in order.

    prepared: of an opened program, if there are states.
    example:  its inputs without the states. samples: the leaves of each call.
    raises:   StepError for a sample with which the module fails.
    """
    from etbuild.compile.observer_patches import cheaper_calibration

    with cheaper_calibration():
        _calibrate(prepared, example, samples, states)


def _calibrate(prepared: Any, example: Inputs, samples: Sequence[Sequence[Any]], states: Sequence[State]) -> None:
    values = [state.value.clone() for state in states]
    for number, sample in enumerate(samples):
        call = with_states(example.with_leaves(sample), states, values)
        try:
            found = call.call(prepared)
        except Exception as error:
            first_line = (str(error).strip().splitlines() or [""])[0]
            raise StepError(f"calibration sample {number}: got {type(error).__name__}: {first_line}") from error
        if states:
            values = [one.to(state.value.dtype) for one, state in zip(found[0], states, strict=True)]


def require_order(key: str, data: Data, program: Any) -> None:
    """key: of the recipe's section.

    raises: StepError where the samples of a program that keeps state are a random choice.
    """
    from etbuild.compile.states import functional, states_of

    if data.data is None or data.seed is None or data.samples is None:
        return
    names = [state.name for state in states_of(functional(program))]
    if names:
        raise StepError(
            f"{key}.seed: got {data.seed}, a random choice of the samples, wanted them in order: the model keeps state "
            f"in {', '.join(names)}\n    leave out seed: the first {data.samples} are taken"
        )


def with_states(inputs: Inputs, states: Sequence[State], values: Sequence[Any]) -> Inputs:
    """The inputs of an opened program, with these values of its states."""
    from etbuild.compile.inputs import Inputs

    named = {state.input: value for state, value in zip(states, values, strict=True)}
    return Inputs(inputs.arguments, {**inputs.keywords, **named})


def share_observers(prepared: Any, states: Sequence[State]) -> None:
    """Let a state's input and output have one observer, and so one scale: nothing is then lost between two calls.

    Where an output has a range of its own, such as that of a sigmoid, they differ.
    """
    for index, state in enumerate(states):
        node = next(one for one in prepared.graph.nodes if one.op == "placeholder" and one.name == state.input)
        new = prepared.graph.output_node().args[0][index]
        readers = [user for user in node.users if user.op == "call_module"]
        if not readers or getattr(new, "op", "") != "call_module":
            continue
        kept, other = (prepared.get_submodule(one.target) for one in (readers[0], new))
        if type(kept) is not type(other) or kept.dtype != other.dtype:
            continue
        for name, module in list(prepared.named_children()):
            if module is other:
                setattr(prepared, name, kept)
            # Of a bias, whose scale is a product of those of input and weight.
            if isinstance(derived := getattr(module, "obs_or_fqs", None), list):
                derived[:] = [kept if one is other else one for one in derived]
