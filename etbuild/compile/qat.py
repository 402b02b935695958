"""Runs a user's training function on a model prepared for quantisation-aware training. It prepares and converts none.

Before it is prepared, batch norms are folded into the convolution or linear layer before them
(`etbuild.compile.control_flow`): what is trained is what is computed on the NPU.
"""

from __future__ import annotations

import random
import types
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from etbuild.compile.inputs import kind
from etbuild.compile.user_code import load_function, users_code
from etbuild.errors import StepError

if TYPE_CHECKING:
    from etbuild.compile.inputs import Inputs
    from etbuild.compile.samples import Samples
    from etbuild.compile.states import State
    from etbuild.recipe.qat_sections import Qat

_WANTED = "a function train(model, samples) that trains the model in place"


class Sample(NamedTuple):
    """One sample of the calibration data: model(*sample.inputs, **sample.keywords). label: None without labels."""

    inputs: tuple[Any, ...]
    keywords: dict[str, Any]
    label: int | None


def samples_of(found: Samples, example: Inputs, states: Sequence[State]) -> tuple[Sample, ...]:
    """The calibration samples as the training function gets them.

    raises: StepError for a model that keeps state, whose samples are the steps of one sequence.
    """
    if states:
        names = ", ".join(state.name for state in states)
        raise StepError(
            f"quantize.qat: got a model that keeps state in {names}, wanted one without\n"
            "    train it in a module whose state is an input and an output, and load the weights into this model"
        )
    calls = [example.with_leaves(leaves) for leaves in found.inputs]
    labels = found.labels or [None] * len(calls)
    return tuple(Sample(call.arguments, call.keywords, label) for call, label in zip(calls, labels, strict=True))


@contextmanager
def widest_ranges(prepared: Any) -> Iterator[None]:
    """Inside this context an activation's range becomes that of all samples that the model is called with.

    Otherwise it is a moving average, of which the first sample would be nearly all: what is larger would be clipped.
    """
    from torchao.quantization.pt2e import FusedMovingAvgObsFakeQuantize

    averaged = [one for one in prepared.modules() if isinstance(one, FusedMovingAvgObsFakeQuantize)]
    widest: dict[Any, tuple[Any, Any]] = {}

    def note(one: Any, *_: Any) -> None:
        low, high = one.activation_post_process.min_val, one.activation_post_process.max_val
        before = widest.get(one, (low, high))
        widest[one] = low.minimum(before[0]).clone(), high.maximum(before[1]).clone()

    hooks = [one.register_forward_hook(note) for one in averaged]
    constants = [one.activation_post_process.averaging_constant for one in averaged]
    for one in averaged:
        one.activation_post_process.averaging_constant = 1.0  # The last call alone.
    yield
    for one, hook, constant in zip(averaged, hooks, constants, strict=True):
        hook.remove()
        one.activation_post_process.averaging_constant = constant
    for one, (low, high) in widest.items():
        one.activation_post_process.min_val.copy_(low)
        one.activation_post_process.max_val.copy_(high)


def train(prepared: Any, settings: Qat, samples: Sequence[Sample]) -> None:
    """Call the function of the recipe; afterwards the model is in evaluation mode, without gradients.

    prepared: the GraphModule with fake-quantisers, already calibrated.
    raises:   StepError, with the user's source lines, for any error of the function, and for weights that are no
              numbers.
    """
    import numpy as np
    import torch

    assert settings.source, "the recipe names a training function"
    random.seed(settings.seed)
    np.random.seed(settings.seed % 2**32)
    torch.manual_seed(settings.seed)
    function = load_function(settings.source, settings.entry, "quantize.qat.entry", _WANTED)
    prepared.train = types.MethodType(_set_mode, prepared)
    prepared.eval = types.MethodType(lambda model: _set_mode(model, False), prepared)
    where = f"{settings.source}: {settings.entry}()"
    prepared.train()
    # torch.export was asked for a model without gradients.
    prepared.requires_grad_(True)
    with _any_batch(prepared), users_code(where), torch.enable_grad():
        returned = function(prepared, samples)
    if returned is not None and returned is not prepared:
        raise StepError(f"{where}: got {kind(returned)} returned, wanted nothing: the given model is trained in place")
    prepared.eval()
    prepared.requires_grad_(False)
    for name, value in prepared.named_parameters():
        if not torch.isfinite(value).all():
            raise StepError(f"{where}: got NaN or infinity in {name}, wanted numbers\n    try a lower learning rate")


def _set_mode(model: Any, training: bool = True) -> Any:
    """What model.train() and model.eval() do: dropout drops, or not. Batch norms have fixed statistics in both.

    torchao's functions for it also reset the probability of a dropout to 0.5.
    """
    import torch

    drops = (torch.ops.aten.dropout.default, torch.ops.aten.feature_dropout.default)
    for node in model.graph.nodes:
        if node.target in drops:
            node.args = (*node.args[:2], training)
    model.recompile()
    return model


@contextmanager
def _any_batch(model: Any) -> Iterator[None]:
    """Inside this context views of one sample are views of any number of samples, so that it takes batches too.

    In the exported graph a view has the sizes that it had with the example inputs.
    """
    import torch

    aten = torch.ops.aten
    views = (aten.view.default, aten.reshape.default, aten.view_copy.default, aten._unsafe_view.default)
    before: list[tuple[Any, tuple[Any, ...]]] = []
    for node in model.graph.nodes:
        shape = list(getattr(node.meta.get("val"), "shape", ()))
        if node.target in views and len(shape) > 1 and shape[0] == 1:
            before.append((node, node.args))
            node.args = (node.args[0], [-1, *map(int, shape[1:])])
    model.recompile()
    try:
        yield
    finally:
        for node, args in before:
            node.args = args
        model.recompile()
