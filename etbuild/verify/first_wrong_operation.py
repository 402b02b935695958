"""Names the first operation of a delegate whose result differs from the tensor that the TOSA reference model computes.

Vela's debug database says which tensor of the TOSA graph an operation computes. An operation without one (inside a
decomposed or branched part), or whose tensor has another type or number of elements in the graph, is not compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etbuild.host.trace import Result
    from etbuild.npu.debug_database import Layers
    from etbuild.verify.tosa_reference import TosaGraph


@dataclass(frozen=True)
class Wrong:
    """A result that differs. element: number of the first element of its tensor that differs."""

    result: Result
    element: int
    got: int
    wanted: int
    differing: int
    elements: int
    largest: int

    def __str__(self) -> str:
        result = self.result
        return (
            f"operation {result.operation}, {result.name} (word {result.word}): element {self.element} of its tensor: "
            f"got {self.got}, wanted {self.wanted}; {self.differing} of {self.elements} elements differ, by at most "
            f"{self.largest}"
        )


@dataclass(frozen=True)
class Layout:
    """The elements of a tensor as its operations stored them, in one assumed order. writers: index of each one's."""

    values: Any
    writers: Any


def first_wrong(results: Sequence[Result], layers: Layers, graph: TosaGraph, inputs: Sequence[Any]) -> Wrong | None:
    """The first operation in the order of the stream that differs; None when none does, of those that can be compared.

    results: of the delegate for these inputs.
    """
    tensors: dict[str, list[Result]] = {}
    for result in results:
        tensors.setdefault(layers.tensor_at(result.word), []).append(result)
    wanted = graph.intermediates(inputs, list(tensors))
    found = [_wrong(tensors[name], right) for name, right in wanted.items()]
    return min(filter(None, found), key=lambda wrong: wrong.result.operation, default=None)


def _wrong(results: Sequence[Result], right: Any) -> Wrong | None:
    """The difference of one tensor; None when it has none in one of the orders, or cannot be compared."""
    import numpy as np

    is_bool = right.dtype == np.bool_
    if any(result.element != right.dtype.itemsize for result in results):
        return None
    wanted = right.reshape(-1).astype(np.int64)
    differences = []
    for layout in layouts(results, wanted.size):
        got = (layout.values != 0 if is_bool else layout.values).astype(np.int64)
        wrong = np.flatnonzero(got != wanted)
        if not wrong.size:
            return None
        largest = int(np.abs(got - wanted).max())
        at = int(wrong[0])
        writer = results[int(layout.writers[at])]
        differences.append(Wrong(writer, at, int(got[at]), int(wanted[at]), wrong.size, wanted.size, largest))
    return min(differences, key=lambda one: one.differing, default=None)


def layouts(results: Sequence[Result], size: int) -> Iterator[Layout]:
    """The orders that operations may have stored a tensor of this size in: by address, where all have their own; one
    below the other; and beside each other in the depth."""
    import numpy as np

    blocks = [result.values for result in results]
    if sum(block.size for block in blocks) != size:
        return
    writers = [np.full(block.shape, number) for number, block in enumerate(blocks)]
    order = _order(results)
    if order is not None:
        yield Layout(*(np.concatenate([one.reshape(-1) for one in column])[order] for column in (blocks, writers)))
    for axis in (0, 2):
        shapes = {tuple(np.delete(block.shape, axis)) for block in blocks}
        if len(shapes) == 1:
            yield Layout(*(np.concatenate(column, axis).reshape(-1) for column in (blocks, writers)))


def _order(results: Sequence[Result]) -> Any:
    """The permutation that sorts the elements of all results by their place in a tensor; None when it is not known."""
    import numpy as np

    first = results[0]
    places = [place for result in results if (place := result.addresses()) is not None]
    if len(places) < len(results):
        return None
    if any((one.region, one.strides, one.is_brick) != (first.region, first.strides, first.is_brick) for one in results):
        return None
    offsets = np.concatenate([place.reshape(-1) for place in places])
    offsets -= offsets.min()
    if np.unique(offsets).size != offsets.size:
        return None
    if not first.is_brick:
        return np.argsort(offsets)
    row, _, sixteen = first.strides
    y, rest = np.divmod(offsets, row)
    block, rest = np.divmod(rest, sixteen)
    return np.lexsort((rest % (16 * first.element), block, rest // (16 * first.element), y))
