"""Names the first operation of a delegate whose result differs from the tensor that the TOSA reference model computes.

Vela's debug database says which tensor of the TOSA graph an operation computes. An operation without one (inside a
decomposed or branched part), or whose tensor has another type or number of elements in the graph, is not compared.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
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
    """The elements of a tensor as its operations stored them, in one assumed order. writer: index of an element's."""

    values: Any
    writer: Callable[[int], int]


def first_wrong(results: Sequence[Result], layers: Layers, graph: TosaGraph, inputs: Sequence[Any]) -> Wrong | None:
    """The first operation in the order of the stream that differs; None when none does, of those that can be compared.

    results: of the delegate for these inputs.
    """
    tensors = by_tensor(results, layers)
    wanted = graph.intermediates(inputs, list(tensors))
    found = [wrong_in(tensors[name], right) for name, right in wanted.items()]
    return min(filter(None, found), key=lambda wrong: wrong.result.operation, default=None)


def by_tensor(results: Sequence[Result], layers: Layers) -> dict[str, list[Result]]:
    """What operations stored, by the tensor of the TOSA graph that each computes a part of; "" where none is known."""
    found: dict[str, list[Result]] = {}
    for result in results:
        found.setdefault(layers.tensor_at(result.word), []).append(result)
    return found


def wrong_in(results: Sequence[Result], right: Any) -> Wrong | None:
    """The difference of one tensor; None when it has none in one of the orders, or cannot be compared."""
    return compared(results, right)[1]


def compared(results: Sequence[Result], right: Any) -> tuple[Any, Wrong | None]:
    """A tensor's elements, flat, in the order in which it differs least; and that difference, as of `wrong_in`.

    right: the tensor as the TOSA graph has it. return: None and None where they cannot be compared.
    """
    import numpy as np

    is_bool = right.dtype == np.bool_
    if any(result.element != right.dtype.itemsize for result in results):
        return None, None
    wanted = right.reshape(-1)
    found: list[tuple[Any, Wrong]] = []
    for layout in layouts(results, wanted.size):
        got = layout.values != 0 if is_bool else layout.values
        wrong = np.flatnonzero(got != wanted)
        if not wrong.size:
            return layout.values, None
        its, theirs = (column[wrong].astype(np.int64) for column in (got, wanted))
        largest, at = int(np.abs(its - theirs).max()), int(wrong[0])
        writer = results[layout.writer(at)]
        sizes = wrong.size, wanted.size, largest
        found.append((layout.values, Wrong(writer, at, int(its[0]), int(theirs[0]), *sizes)))
    return min(found, key=lambda one: one[1].differing, default=(None, None))


def layouts(results: Sequence[Result], size: int) -> Iterator[Layout]:
    """The orders that operations may have stored a tensor of this size in: by address, where all have their own; one
    below the other; and beside each other in the depth."""
    import numpy as np

    blocks = [result.values for result in results]
    if sum(block.size for block in blocks) != size:
        return

    def writer(axis: int | None, at: int) -> int:
        numbers = [np.full(block.shape, number) for number, block in enumerate(blocks)]
        joined = [one.reshape(-1) for one in numbers] if axis is None else numbers
        return int(np.concatenate(joined, axis or 0).reshape(-1)[at])

    order = _order(results)
    if order is not None:
        values = blocks[0].reshape(-1) if len(blocks) == 1 else np.concatenate([one.reshape(-1) for one in blocks])
        yield Layout(values[order], lambda at: writer(None, int(order[at])))
    for axis in (0, 2):
        shapes = {tuple(np.delete(block.shape, axis)) for block in blocks}
        if len(shapes) == 1:
            values = np.concatenate(blocks, axis).reshape(-1)
            yield Layout(values, functools.partial(writer, axis))


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
    keys = offsets // first.element
    if first.is_brick:
        row, _, sixteen = first.strides
        y, rest = np.divmod(offsets, row)
        block, rest = np.divmod(rest, sixteen)
        x, c = np.divmod(rest, 16 * first.element)
        keys = ((y * (int(x.max()) + 1) + x) * (int(block.max()) + 1) + block) * 16 + c // first.element
    return _sorting(keys)


def _sorting(keys: Any) -> Any:
    """The permutation that sorts whole numbers from 0; None when two are equal. Most tensors are nearly dense, so that
    each number has its place in a table."""
    import numpy as np

    span = int(keys.max()) + 1
    if span > 16 * keys.size + 1024:
        order = np.argsort(keys)
        return order if np.unique(keys).size == keys.size else None
    table = np.full(span, -1, np.int64)
    table[keys] = np.arange(keys.size)
    order = table[table >= 0]
    return order if order.size == keys.size else None
