"""Finds out whether a model is quantised already, and to what. It quantises nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from etbuild.compile.quantizer import tensors
from etbuild.errors import StepError

if TYPE_CHECKING:
    from etbuild.recipe.data_sections import Quantize

_OPERATORS = b"quantized_decomposed."
_SCHEMES = {"int8": "int8", "uint8": "int8", "int16": "int16x8"}


def may_be_quantized(program: Path) -> bool:
    """Whether a .pt2 names quantised operators anywhere; it need not be loaded for that."""
    return _OPERATORS in program.read_bytes()


def quantized_tensors(program: Any) -> list[dict[str, Any]]:
    """The quantised tensors of an ExportedProgram, as quantization.json has them; [] for a float model."""
    return list(tensors(program.module(check_guards=False)))


def accept(found: list[dict[str, Any]], settings: Quantize, name: Path) -> str:
    """The scheme of a model that is quantised already, joined by + where there are several.

    found:  from `quantized_tensors`, not empty.
    raises: StepError when the recipe asks for another scheme, or for anything that quantises.
    """
    schemes = _schemes(found)
    its = " and ".join(schemes)
    remedy = "delete the key: a quantised model is taken as it is; or name the model before its quantisation"
    asked = {
        "quantize.rules": bool(settings.rules),
        "quantize.qat": settings.qat.source is not None,
        "quantize.calibration.data": settings.calibration.data is not None,
        "quantize.observer": settings.observer != "histogram",
        "quantize.per_channel": not settings.per_channel,
        "quantize.weights": bool(settings.weights),
    }
    for key in [key for key, is_asked in asked.items() if is_asked]:
        got = f"got {key.rpartition('.')[2]} for a model that is quantised already, to {its}"
        raise StepError(f"{name}: {key}: {got}, wanted none\n    {remedy}")
    if settings.scheme not in (*schemes, "none"):
        raise StepError(
            f"{name}: quantize.scheme: got {settings.scheme} for a model that is quantised already, to {its}, "
            f"wanted {' or '.join(schemes)}\n"
            f"    write scheme: {schemes[0]}, or name the model before its quantisation"
        )
    return "+".join(schemes)


def _schemes(found: list[dict[str, Any]]) -> list[str]:
    """The schemes of the activations; int8 is a8w4 where all weights are of 4 bits."""
    dtypes = [one["dtype"] for one in found if one["kind"] in ("input", "activation")] or ["int8"]
    schemes = list(dict.fromkeys(_SCHEMES.get(dtype, dtype) for dtype in dtypes))
    weights = [one["range"] for one in found if one["kind"] == "weight"]
    if weights and all(low >= -8 and high <= 7 for low, high in weights):
        schemes = ["a8w4" if scheme == "int8" else scheme for scheme in schemes]
    return schemes
