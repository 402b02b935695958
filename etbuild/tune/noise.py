"""What one layer's quantisation adds to a model's outputs: the error that its execution makes of its own, put into the
float model. It reads no file.

A layer's own error is that of its value in the executed program against the float layer with the same inputs. It has
two parts: of the weights, which the quantised program shows before it rounds the value; and of the value, which is
rounded, and clipped, to the integers that it is stored as.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from etbuild.errors import StepError
from etbuild.tune.partial_run import PartialRun
from etbuild.verify.compare import dequantize, quantize
from etbuild.verify.executed_values import executed, references_of
from etbuild.verify.host_run import vectors_of
from etbuild.verify.layer_numbers import ALREADY_QUANTISED, NO_COUNTERPART
from etbuild.verify.model_layers import ModelLayer, counterparts, is_quantised, layers_of

if TYPE_CHECKING:
    from etbuild.verify.executed_values import Executed
    from etbuild.verify.layer_numbers import Compared

PARTS = ("all", "weights", "value")


@dataclass
class Noise:
    """One layer, or one input of the model.

    layer:  None for an input. name: of the node in the float model whose value it is, "" where there is none.
    seen:   in how many samples its value is known from the executed program; else it is the quantised program's.
    power:  of its own error at each output, summed over all samples, by the part of the error.
    """

    layer: ModelLayer | None
    name: str
    why: str = ""
    seen: int = 0
    power: dict[str, list[float]] = field(default_factory=dict)
    right: int = 0

    def add(self, part: str, powers: Iterable[float]) -> None:
        known = self.power.get(part)
        self.power[part] = [one + other for one, other in zip(known, powers, strict=True)] if known else [*powers]


@dataclass
class Measured:
    """All layers, and the whole. signal, together: power of each output, and of the executed program's error there."""

    layers: list[Noise]
    signal: list[float] = field(default_factory=list)
    together: list[float] = field(default_factory=list)
    samples: int = 0
    right: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class _Programs:
    """layers: by value. floats: by result of a layer, the float model's node. params: of the inputs, by name."""

    floating: PartialRun
    quantised: PartialRun
    layers: Mapping[str, ModelLayer]
    floats: Mapping[str, str]
    params: Mapping[str, Any]


class _Sample:
    """One sample: the float model and the quantised program, and what the run has stored."""

    def __init__(self, programs: _Programs, values: Mapping[str, Any], inputs: Mapping[str, Any]):
        self.programs, self._values, self._inputs = programs, values, inputs
        self.floating, self.quantised = programs.floating, programs.quantised

    def integers(self, layer: ModelLayer) -> tuple[Any, bool]:
        """Its value as it is stored, in the shape of the quantised program, and whether the run has shown it."""
        known = self.quantised.value(layer.value)
        while layer.moves and layer.value not in self._values:
            layer = self.programs.layers[layer.reads[0]]
        ran = self._values.get(layer.value)
        if ran is None or ran.size != known.numel() or layer.params is None:
            return known.numpy(), False
        return ran.reshape(tuple(known.shape)), True

    def given(self, layer: ModelLayer) -> tuple[dict[str, Any], dict[str, Any]]:
        """What the layer reads, as the float model and the quantised program have it: by name of their nodes."""
        import torch

        floats, quantised = dict(self._inputs), dict[str, Any]()
        for name in layer.reads:
            one = self.programs.layers[name]
            stored, _ = self.integers(one)
            quantised[one.value] = torch.from_numpy(stored.copy())
        for one in self._with_counterparts(layer):
            node = self.programs.floats[one.result]
            floats[node] = _as(self.floating.value(node), self.integers(one)[0], one.params)
        return floats, quantised

    def _with_counterparts(self, layer: ModelLayer) -> Iterator[ModelLayer]:
        """The layers that it reads, or that those read which the float model does not have, such as parts of a mean."""
        for name in layer.reads:
            one = self.programs.layers[name]
            if one.result in self.programs.floats:
                yield one
            else:
                yield from self._with_counterparts(one)


def measure(what: Compared) -> Measured:
    """Run all samples.

    raises: StepError for a program that cannot be run.
    """
    programs = _programs(what)
    floating, floats = programs.floating, programs.floats
    why = ALREADY_QUANTISED if is_quantised(floating.graph) else NO_COUNTERPART
    rows = [
        Noise(layer, floats.get(layer.result, ""), "" if layer.result in floats else why)
        for layer in programs.layers.values()
        if not layer.moves and layer.params is not None
    ]
    found = Measured([*(Noise(None, name) for name in floating.inputs if floats), *rows])
    for number, run in enumerate(_runs(what)):
        leaves = what.samples.inputs[number]
        floating.set_sample(leaves)
        programs.quantised.set_sample(leaves)
        inputs = {name: _rounded(floating.value(name), one) for name, one in programs.params.items() if one}
        label = None if what.samples.labels is None else what.samples.labels[number]
        _add_outputs(found, programs, run, label)
        sample = _Sample(programs, run.values, inputs)
        for one in found.layers:
            for part, error in _of_input(one, sample) if one.layer is None else _of_layer(one, sample):
                _inject(one, part, error, (floating, label))
    return found


def require_no_state(program: Any) -> None:
    """raises: StepError for an exported program that keeps state: what a sample leaves would be in the next."""
    from etbuild.compile.states import functional, states_of

    names = [state.name for state in states_of(functional(program))]
    if names:
        raise StepError(
            f"sensitivity: got a model that keeps state in {', '.join(names)}, wanted one without\n"
            "    doit layers shows the errors of its layers"
        )


def _programs(what: Compared) -> _Programs:
    floating, quantised = PartialRun(what.floating), PartialRun(what.quantised)
    layers = {layer.value: layer for layer in layers_of(quantised.graph)}
    floats = {} if is_quantised(floating.graph) else counterparts(quantised.graph, floating.graph)
    params = dict(zip(quantised.inputs, _input_params(quantised), strict=True))
    return _Programs(floating, quantised, layers, floats, params)


def _runs(what: Compared) -> Iterator[Executed]:
    for vector, inputs in enumerate(vectors_of(what.program, what.golden)):
        yield executed(what.program, what.built, inputs, references_of(what.built, what.golden, vector))


def _of_input(one: Noise, sample: _Sample) -> Iterator[tuple[str, Any]]:
    known, value = sample.programs.params.get(one.name), sample.floating.value(one.name)
    if known is None:
        one.why = "it is not quantised"
        return
    one.seen += 1
    yield "all", _rounded(value, known) - value


def _of_layer(one: Noise, sample: _Sample) -> Iterator[tuple[str, Any]]:
    """The layer's own error, and its parts."""
    layer = one.layer
    if one.why or layer is None:
        return
    floats, integers = sample.given(layer)
    alone = sample.floating.changed(floats, [one.name])[one.name]
    stored, is_seen = sample.integers(layer)
    one.seen += is_seen
    ran = _as(alone, stored, layer.params)
    before = sample.quantised.changed(integers, [layer.result])[layer.result].reshape(alone.shape)
    yield "all", ran - alone
    yield "weights", before - alone
    yield "value", ran - before


def _inject(one: Noise, part: str, error: Any, where: tuple[PartialRun, int | None]) -> None:
    """Add what an error in one value does to the outputs. where: the float model, and the sample's label."""
    floating, label = where
    names = floating.outputs()
    changed = floating.changed({one.name: floating.value(one.name) + error}, names)
    one.add(part, [_power(changed[name] - floating.value(name)) for name in names])
    if part == "all" and label is not None:
        one.right += int(changed[names[0]].reshape(-1).argmax()) == label


def _add_outputs(found: Measured, programs: _Programs, run: Executed, label: int | None) -> None:
    """Count the outputs of the float model and those of the executed program."""
    floating = programs.floating
    names = floating.outputs()
    if not found.signal:
        found.signal, found.together = [0.0] * len(names), [0.0] * len(names)
    found.samples += 1
    for number, (name, other) in enumerate(zip(names, programs.quantised.outputs(), strict=True)):
        wanted, got = floating.value(name), run.recording.outputs[number]
        value = _as(wanted, got, _output_params(programs.quantised, other) if got.dtype.kind != "f" else None)
        found.signal[number] += _power(wanted)
        found.together[number] += _power(value - wanted)
        if number == 0 and label is not None:
            for version, one in (("float", wanted), ("together", value)):
                found.right[version] = found.right.get(version, 0) + (int(one.reshape(-1).argmax()) == label)


def _output_params(quantised: PartialRun, name: str) -> Any:
    node = next(one for one in quantised.graph.nodes if one.name == name)
    return _params(node) if ".dequantize_per_tensor" in str(node.target) else None


def _input_params(quantised: PartialRun) -> Iterator[Any]:
    """The quantisation parameters of each input; None for one that is not quantised."""
    for node in (node for node in quantised.graph.nodes if node.op == "placeholder"):
        users = [user for user in node.users if ".quantize_per_tensor" in str(user.target)]
        yield _params(users[0]) if users else None


def _params(node: Any) -> dict[str, Any]:
    """Of a quantize or dequantize node."""
    _, scale, zero_point, low, high, dtype = node.args[:6]
    name = str(dtype).removeprefix("torch.")
    return {"dtype": name, "scale": float(scale), "zero_point": int(zero_point), "range": [int(low), int(high)]}


def _rounded(value: Any, params: Any) -> Any:
    return _as(value, quantize(value.numpy(), params), params)


def _as(like: Any, stored: Any, params: Any) -> Any:
    """Stored integers as values, in the shape and type of a node of the float model."""
    import torch

    values = stored if params is None else dequantize(stored, params)
    return torch.from_numpy(values.copy()).reshape(like.shape).to(like.dtype)


def _power(values: Any) -> float:
    import torch

    return float(values.to(torch.float64).square().sum())
