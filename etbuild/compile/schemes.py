"""ExecuTorch's quantisation configurations for the schemes and observers of a recipe. It annotates no graph."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etbuild.recipe.data_sections import Quantize, Rule


def config(settings: Quantize, rule: Rule | None = None) -> Any:
    """The configuration of the recipe's scheme, or of one of its rules; None leaves what it is for in floating point.

    With training it has fake-quantisers in place of observers.
    """
    scheme = rule.scheme if rule else settings.scheme
    per_channel = settings.per_channel if rule is None or rule.per_channel is None else rule.per_channel
    made = _of_scheme(scheme, per_channel, settings.qat.source is not None)
    observer, percentile = settings.observer, settings.percentile
    if rule and rule.observer:
        observer, percentile = rule.observer, rule.percentile or settings.percentile
    return made if made is None or observer == "histogram" else _with_observer(made, observer, percentile)


def io_config(settings: Quantize) -> Any:
    """The configuration for inputs and outputs of unsigned bytes."""
    from executorch.backends.arm.quantizer import get_uint8_io_quantization_config

    made = get_uint8_io_quantization_config(**_training(settings.qat.source is not None))
    if settings.observer == "histogram":
        return made
    return _with_observer(made, settings.observer, settings.percentile)


def _of_scheme(scheme: str, per_channel: bool, trains: bool) -> Any:
    from executorch.backends.arm.quantizer import arm_quantizer

    if scheme == "none":
        return None
    if scheme == "a8w4":  # Its default is a configuration for training.
        return arm_quantizer.get_symmetric_a8w4_quantization_config(is_per_channel=per_channel, is_qat=trains)
    make = {
        "int8": arm_quantizer.get_symmetric_quantization_config,
        "int16x8": arm_quantizer.get_symmetric_a16w8_quantization_config,
    }
    return make[scheme](is_per_channel=per_channel, **_training(trains))


def _training(trains: bool) -> dict[str, bool]:
    return {"is_qat": True} if trains else {}


def _with_observer(made: Any, observer: str, percentile: float) -> Any:
    """The configuration with another observer of activations; weights keep theirs, of smallest and largest value."""
    from etbuild.compile.observers import observer_class

    def changed(spec: Any) -> Any:
        given = dict(spec.observer_or_fake_quant_ctr.p.keywords)
        if observer == "percentile":
            given["percentile"] = percentile
        return replace(spec, observer_or_fake_quant_ctr=observer_class(observer).with_args(**given))

    activation = changed(made.input_activation)
    same = made.output_activation == made.input_activation
    output = activation if same else changed(made.output_activation)
    label = f"{made.label or 'activations'} with observer {observer}"
    return replace(made, input_activation=activation, output_activation=output, label=label)
