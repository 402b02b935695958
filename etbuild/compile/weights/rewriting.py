"""Applies the changes of weights that a recipe names to a float module, before it is prepared for quantisation.

Each method has a file of its own. What a change loses is reported by step golden, which compares with the float model
as it was exported.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from etbuild.compile.weights.layers import Layer, Moments, Setting, layers_of
from etbuild.errors import StepError

if TYPE_CHECKING:
    from etbuild.recipe.data_sections import Quantize
    from etbuild.recipe.weight_sections import WeightChange


def rewrite(module: Any, settings: Quantize, samples: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
    """Change the weights of a module in place, the module's own copies; a row of quantization.json for each change.

    module:  of the exported float program. samples: of calibration, the leaves of each call.
    raises:  StepError for a module name that matches no layer, and a change that applies nowhere.
    """
    return [_apply(module, one, settings, samples) for one in settings.weights]


def _apply(module: Any, one: WeightChange, settings: Quantize, samples: Sequence[Sequence[Any]]) -> dict[str, Any]:
    layers = layers_of(module)
    chosen = [layer for layer in layers if one.module_name is None or _is_in(layer, one.module_name)]
    if not chosen:
        names = ", ".join(sorted({layer.name for layer in layers})) or "none: the model has no layers with weights"
        raise StepError(
            f"quantize.weights: module_name: got {one.module_name}, which has no layer with weights, "
            f"wanted one of {names}"
        )
    method: Callable[[Sequence[Layer], Setting], list[str]]
    method = import_module(f"etbuild.compile.weights.{one.method}").apply
    changed = method(chosen, Setting(one, settings, Moments(module, samples)))
    if not changed:
        where = f" below {one.module_name}" if one.module_name else ""
        raise StepError(
            f"quantize.weights: {one.method}: got a model with no layer{where} that it applies to, wanted none of it\n"
            "    delete it from quantize.weights; docs/tune.md says where each method applies"
        )
    return {"change": one.to_argument(), "layers": changed}


def _is_in(layer: Layer, name: str) -> bool:
    return layer.name == name or layer.name.startswith(f"{name}.")
