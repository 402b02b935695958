"""The tensors that the operations of a delegate stored, as the quantised program has them. It compares nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from etbuild.verify.first_wrong_operation import layouts

if TYPE_CHECKING:
    from etbuild.host.trace import Result

STORED = {1: "int8", 2: "int16", 4: "int32"}


def flat(results: Sequence[Result]) -> Any:
    """The elements of a tensor in the order of the TOSA graph, by their addresses where they have some; None where the
    order is not known."""
    size = sum(result.values.size for result in results)
    layout = next(layouts(results, size), None)
    return None if layout is None else layout.values


def in_the_programs_order(values: Any, known: dict[str, Any]) -> Any:
    """A tensor as the quantised program has it; None where it has none like it.

    values: flat. known: of operators.json.
    """
    import numpy as np

    sizes, order = known.get("sizes"), known.get("order")
    if sizes is None or values.size != np.prod(sizes, dtype=int):
        return None
    values = np.asarray(values).astype(known["dtype"])
    if order:
        values = values.reshape([sizes[order.index(axis)] for axis in range(len(order))]).transpose(order)
    return values.reshape(sizes)
