"""The errors of each layer of a model over all samples: float model, quantised program and executed program compared.

It makes up no value: what cannot be seen has a reason instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from etbuild.verify.executed_values import NO_TENSOR, NOT_ALONE, SEVERAL_TIMES, executed, references_of
from etbuild.verify.host_run import vectors_of
from etbuild.verify.layer_errors import Errors, Histogram
from etbuild.verify.model_layers import counterparts, is_quantised, layers_of, names_inside
from etbuild.verify.program_values import values_of

if TYPE_CHECKING:
    from etbuild.compile.samples import Samples
    from etbuild.host.observation import Event
    from etbuild.host.recording import RecordedProgram
    from etbuild.verify.executed_values import Built, Difference, Executed
    from etbuild.verify.model_layers import ModelLayer

PAIRS = ("executed_to_quantized", "executed_to_float", "quantized_to_float")
VERSIONS = ("float", "quantized", "executed")
ALREADY_QUANTISED = "the model is quantised already: there is no float model"
NO_COUNTERPART = "no operator of the float model is known to have its value"
NOT_COMPUTED = "it is in a loop or branch, or no tensor"

Json = dict[str, Any]


@dataclass(frozen=True)
class Compared:
    """What is compared.

    quantised, floating: ExportedPrograms.
    samples:             inputs of both, in the order of golden's vectors.
    golden:              the arrays of golden.npz.
    """

    quantised: Any
    floating: Any
    samples: Samples
    program: RecordedProgram
    golden: dict[str, Any]
    built: Built


@dataclass
class LayerNumbers:
    """The figures of one layer.

    why:          by version, why its value is not known.
    seen_as:      the layer whose elements these are, where the run stores them for that alone.
    is_compared:  whether the TOSA graph has its value, too.
    differing:    how many elements of all samples differ from that.
    """

    layer: ModelLayer
    why: dict[str, str] = field(default_factory=dict)
    errors: dict[str, Errors] = field(default_factory=dict)
    histograms: dict[str, Histogram] = field(default_factory=dict)
    shape: tuple[int, ...] | None = None
    dtype: str = ""
    seen_as: int | None = None
    is_compared: bool = False
    differing: int = 0

    def add(self, floating: Any, quantised: Any, ran: Any, before: Any) -> None:
        """A sample: the layer's value in each version, as it has it; None where there is none.

        before: of the quantised program, before it is rounded.
        """
        params = self.layer.params
        if quantised is None:
            self.why.setdefault("quantized", NOT_COMPUTED)
        else:
            self.shape, self.dtype = tuple(quantised.shape), str(quantised.dtype)
        columns = _wide(floating), _wide(quantised, params), _wide(ran, params)
        values = dict(zip(VERSIONS, columns, strict=True))
        for pair in PAIRS:
            got, wanted = (values[name] for name in pair.split("_to_"))
            if got is not None and wanted is not None and got.size == wanted.size:
                self.errors.setdefault(pair, Errors(params["scale"] if params else None)).add(got, wanted)
        values["quantized"] = _wide(before)
        for name, value in values.items():
            if params and value is not None:
                self.histograms.setdefault(name, _histogram(params)).add(value)

    def to_json(self) -> Json:
        clipped = {name: one.clipped for name, one in self.histograms.items() if name != "executed"}
        return {
            "shape": list(self.shape) if self.shape is not None else None,
            "dtype": self.dtype or None,
            "quantization": self.layer.params,
            "seen_as": self.seen_as,
            "not_seen": {name: self.why.get(name) for name in VERSIONS},
            "exact": {"differing": self.differing} if self.is_compared else None,
            "errors": {pair: self.errors[pair].to_json() if pair in self.errors else None for pair in PAIRS},
            "clipped": clipped or None,
            "histogram": {name: one.counts for name, one in self.histograms.items()} or None,
        }


@dataclass(frozen=True)
class Numbers:
    """All layers. events: of the NPU's operations in the first run. difference: the first, and its vector."""

    layers: list[LayerNumbers]
    events: tuple[Event, ...]
    difference: tuple[int, Difference] | None


def numbers_of(what: Compared) -> Numbers:
    """Run all samples in all versions.

    raises: StepError for a program that cannot be run.
    """
    module = what.quantised.module(check_guards=False)
    found = [LayerNumbers(layer) for layer in layers_of(module.graph)]
    floats = _floats(what, module.graph, found)
    names = [name for one in found for name in (one.layer.value, one.layer.result)]
    quantised = values_of(what.quantised, names, what.samples.inputs)
    floating = values_of(what.floating, list(floats.values()), what.samples.inputs)
    events: tuple[Event, ...] = ()
    first: tuple[int, Difference] | None = None
    number_of = {one.layer.value: number for number, one in enumerate(found)}
    for vector, run in enumerate(_runs(what)):
        float_values, values = next(floating), next(quantised)
        for one in found:
            layer = one.layer
            if layer.moves and layer.value not in run.values and layer.reads[0] in run.values:
                run.values[layer.value] = run.values[layer.reads[0]]
                one.seen_as = number_of[layer.reads[0]]
            floated = float_values.get(floats.get(layer.result, ""))
            ran = _ran(layer, run)
            one.add(floated, values.get(layer.value), ran, values.get(layer.result))
            _add_run(one, run, is_seen=ran is not None)
        events = events or tuple(event for done in run.recording.done for event in done.events)
        first = first or ((vector, run.differences[0]) if run.differences else None)
    inside = names_inside(module)
    for one in found:
        if inside.intersection(one.layer.operators):
            one.why["executed"] = SEVERAL_TIMES
    return Numbers(found, events, first)


def _runs(what: Compared) -> Iterator[Executed]:
    for vector, inputs in enumerate(vectors_of(what.program, what.golden)):
        yield executed(what.program, what.built, inputs, references_of(what.built, what.golden, vector))


def _ran(layer: ModelLayer, run: Executed) -> Any:
    """The value of a layer that a run has stored: at its quantize node; or by a kernel in integers, which computes an
    operator and what quantises its result as one."""
    if layer.value in run.values or layer.params is None:
        return run.values.get(layer.value)
    found = (run.values[name] for name in reversed(layer.operators) if name in run.values)
    return next((value for value in found if str(value.dtype) == layer.params["dtype"]), None)


def _floats(what: Compared, graph: Any, found: Sequence[LayerNumbers]) -> Mapping[str, str]:
    """The float model's node for each operator, and the reason for layers without one."""
    module = what.floating.module(check_guards=False)
    floats = {} if is_quantised(module.graph) else counterparts(graph, module.graph)
    why = ALREADY_QUANTISED if is_quantised(module.graph) else NO_COUNTERPART
    for one in found:
        if one.layer.result not in floats:
            one.why["float"] = why
    return floats


def _add_run(one: LayerNumbers, run: Executed, is_seen: bool) -> None:
    value = one.layer.value
    if not is_seen:
        default = NO_TENSOR if value in run.inside else NOT_ALONE
        one.why["executed"] = run.unseen.get(value, default)
    one.is_compared = one.is_compared or value in run.compared
    one.differing += run.differing.get(value, 0)


def _histogram(params: Json) -> Histogram:
    low, high = ((edge - params["zero_point"]) * params["scale"] for edge in params["range"])
    return Histogram(low, high, params["scale"])


def _wide(values: Any, params: Any = None) -> Any:
    """Flat, in float64 and the unit of the model; None for what are no numbers."""
    import numpy as np

    if values is None or values.dtype.kind not in "fiub":
        return None
    wide = values.reshape(-1).astype(np.float64)
    return wide if params is None else (wide - params["zero_point"]) * params["scale"]
