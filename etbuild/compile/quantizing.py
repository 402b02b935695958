"""Quantises an exported program: inserts observers, calibrates with samples, converts, and exports the result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etbuild.compile.inputs import Inputs
    from etbuild.compile.qat import Sample
    from etbuild.recipe.data_sections import Quantize
    from etbuild.recipe.model_sections import Export

# Random samples in addition to the example inputs, where a recipe names no calibration data.
RANDOM_SAMPLES = 8


def quantize(
    program: Any,
    settings: Quantize,
    profile: str,
    exporting: Export,
    train: Callable[[Any, Sequence[Sample]], None] | None = None,
) -> tuple[Any, dict[str, Any]]:
    """The program with quantize and dequantize nodes around its operators, exported again; and quantization.json.

    program:   the ExportedProgram of the float model.
    exporting: the settings that it was exported with.
    train:     trains the prepared and calibrated module in place.
    raises:    StepError for samples that do not fit and rules that match nothing.
    """
    from etbuild.compile import control_flow, cortex_m, pass_patches, patches, states
    from etbuild.compile.calibration import calibrate, require_order, share_observers, with_states
    from etbuild.compile.compiler_failure import explained
    from etbuild.compile.inputs import inputs_of
    from etbuild.compile.qat import samples_of, widest_ranges
    from etbuild.compile.quantizer import describe, make_quantizer
    from etbuild.compile.samples import read_samples

    example = inputs_of(*program.example_inputs)
    require_order("quantize.calibration", settings.calibration, program)
    samples = (found := read_samples(settings.calibration, example, RANDOM_SAMPLES)).inputs
    opened, kept = states.opened(program)
    module = opened.module(check_guards=False)
    changes = _with_other_weights(module, settings, with_states(example, kept, [one.value for one in kept]), samples)
    if on_cortex_m := cortex_m.is_cortex_m(profile):
        example = example.with_leaves(cortex_m.channels_last(example.leaves))
        samples = tuple(map(cortex_m.channels_last, samples))
    called = with_states(example, kept, [state.value for state in kept])
    if on_cortex_m:
        module = cortex_m.channels_last_module(module, called, exporting.strict)
    quantizer = cortex_m.make_quantizer() if on_cortex_m else make_quantizer(settings, profile, module)
    with explained("quantisation", module), patches.lazy_code_generation(), pass_patches.cheaper_passes():
        prepared = control_flow.prepare(module, quantizer, trains=train is not None)
    share_observers(prepared, kept)
    with widest_ranges(prepared) if train else nullcontext():
        calibrate(prepared, example, samples, kept)
    if train:
        train(prepared, samples_of(found, example, kept))
    converted = _converted(prepared)
    report = describe(quantizer, converted) | changes
    return states.closed(_exported(converted, called, exporting), kept), report


def _with_other_weights(
    module: Any, settings: Quantize, example: Inputs, samples: Sequence[Sequence[Any]]
) -> dict[str, Any]:
    """Change the module's weights as the recipe says; what quantization.json has about it.

    example: with the states that the model begins with.
    """
    if not settings.weights:
        return {}
    from etbuild.compile.weights.rewriting import rewrite

    rest = example.leaves[len(samples[0]) :] if samples else ()
    return {"weights": rewrite(module, settings, [(*sample, *rest) for sample in samples])}


def _converted(prepared: Any) -> Any:
    """The calibrated module with quantize and dequantize nodes."""
    from etbuild.compile import control_flow, patches
    from etbuild.compile.compiler_failure import explained
    from etbuild.compile.observer_patches import search_histograms_in_numbers

    with explained("quantisation", prepared), patches.lazy_code_generation(), search_histograms_in_numbers():
        converted = control_flow.convert(prepared)
    _with_aten_casts(converted.graph)
    converted.recompile()  # TorchDynamo reads the code, see lazy_code_generation.
    return converted


def _with_aten_casts(graph: Any) -> None:
    """Replace the casts of ExecuTorch's quantiser behind integer inputs by PyTorch's, which need no compiler to run."""
    import torch

    for node in graph.nodes:
        if str(node.target) == "dim_order_ops._to_dim_order_copy.default":
            node.target = torch.ops.aten._to_copy.default
            node.kwargs = {"dtype": node.kwargs["dtype"]}


def _exported(converted: Any, example: Inputs, exporting: Export) -> Any:
    """The converted module as an ExportedProgram."""
    import torch

    from etbuild.compile import patches
    from etbuild.compile.compiler_failure import explained
    from etbuild.compile.dynamic_shapes import dynamic_shapes
    from etbuild.compile.retracing import graphs_as_they_are
    from etbuild.compile.trace_patches import cheaper_nodes

    shapes = dynamic_shapes(converted, example, exporting.dynamic_shapes)
    without_guards = patches.export_without_guards() if shapes is None else nullcontext()
    with explained("quantisation: export", converted), without_guards, graphs_as_they_are(), cheaper_nodes():
        return torch.export.export(
            converted, example.arguments, example.keywords, dynamic_shapes=shapes, strict=exporting.strict
        )
