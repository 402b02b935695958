"""Quantises an exported program: inserts observers, calibrates with samples, converts, and exports the result."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from etbuild.errors import StepError

if TYPE_CHECKING:
    from etbuild.recipe.data_sections import Quantize
    from etbuild.recipe.model_sections import Export

# Random samples in addition to the example inputs, where a recipe names no calibration data.
RANDOM_SAMPLES = 8


def quantize(program: Any, settings: Quantize, profile: str, exporting: Export) -> tuple[Any, dict[str, Any]]:
    """The program with quantize and dequantize nodes around its operators, exported again; and quantization.json.

    program:   the ExportedProgram of the float model.
    exporting: the settings that it was exported with.
    raises:    StepError for samples that do not fit and rules that match nothing.
    """
    import torch

    from etbuild.compile import control_flow, cortex_m, patches
    from etbuild.compile.compiler_failure import explained
    from etbuild.compile.dynamic_shapes import dynamic_shapes
    from etbuild.compile.inputs import inputs_of
    from etbuild.compile.quantizer import describe, make_quantizer
    from etbuild.compile.samples import read_samples

    example = inputs_of(*program.example_inputs)
    samples = read_samples(settings.calibration, example, RANDOM_SAMPLES)
    module = program.module(check_guards=False)
    inputs = samples.inputs
    if cortex_m.is_cortex_m(profile):
        example = example.with_leaves(cortex_m.channels_last(example.leaves))
        inputs = tuple(map(cortex_m.channels_last, inputs))
        module = cortex_m.channels_last_module(module, example, exporting.strict)
        quantizer = cortex_m.make_quantizer()
    else:
        quantizer = make_quantizer(settings, profile, module)
    with explained("quantisation", module), patches.lazy_code_generation():
        prepared = control_flow.prepare(module, quantizer)
    for number, sample in enumerate(inputs):
        try:
            example.with_leaves(sample).call(prepared)
        except Exception as error:
            first_line = (str(error).strip().splitlines() or [""])[0]
            raise StepError(f"calibration sample {number}: got {type(error).__name__}: {first_line}") from error
    with explained("quantisation", prepared), patches.lazy_code_generation():
        converted = control_flow.convert(prepared)
    converted.recompile()  # TorchDynamo reads the code, see lazy_code_generation.
    report = describe(quantizer, converted)
    shapes = dynamic_shapes(converted, example, exporting.dynamic_shapes)
    without_guards = patches.export_without_guards() if shapes is None else nullcontext()
    with explained("quantisation: export", converted), without_guards:
        return torch.export.export(
            converted, example.arguments, example.keywords, dynamic_shapes=shapes, strict=exporting.strict
        ), report
