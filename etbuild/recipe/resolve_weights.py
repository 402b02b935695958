"""Reads quantize.weights, and checks it against the other settings of quantisation. It reads no file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etbuild.config.setting import read
from etbuild.recipe.weight_sections import KEY_OF_METHOD, WeightChange

if TYPE_CHECKING:
    from etbuild.config.section import Section


def read_weights(quantize: Section, quantizes: bool) -> tuple[WeightChange, ...]:
    """The list. quantizes: whether the scheme or a rule quantises anything."""
    if quantize.has("weights") and not quantizes:
        remedy = "delete weights, or write scheme: int8"
        quantize.report("weights", "weights with scheme: none", "a scheme that quantises", remedy)
    return tuple(one for item in quantize.each("weights") if (one := _one(item)))


def _one(section: Section) -> WeightChange | None:
    method = section.text("method")
    wanted = KEY_OF_METHOD.get(method, "")
    for key in KEY_OF_METHOD.values():
        if key == wanted and not section.has(key):
            section.report("", f"{method} without {key}", f"{key} beside it")
        elif key != wanted and section.has(key) and method:
            section.report(key, f"{key} with method: {method}", f"{key} with another method, or {method} alone")
    return read(section, WeightChange)
