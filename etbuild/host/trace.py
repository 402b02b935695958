"""What each operation of a delegate stored, from one run of the delegate alone. It compares nothing."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etbuild.host.observation import Hazard, event_of, hazard_of
from etbuild.host.program import HostProgram

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etbuild.host import abi
    from etbuild.host.program import Array


@dataclass(frozen=True)
class Result:
    """What one operation stored.

    name:      of the operation ("CONV").
    operation, word: its number, and its index in the command stream (32-bit words).
    values:    [height, width, depth], int32, as they are stored: with their zero point.
    element:   bytes of one stored value.
    region:    of memory; None for a chain buffer.
    base, strides: bytes, the address of (0, 0, 0) and the distances of rows, columns and channels (of NHCWB16: of
               columns and of 16 channels), unless it is tiled.
    """

    name: str
    operation: int
    word: int
    values: Array
    element: int
    region: int | None
    base: int
    strides: tuple[int, int, int]
    is_brick: bool
    is_tiled: bool

    def addresses(self) -> Array | None:
        """The address of each value, in their shape; None for what has none that strides describe."""
        import numpy as np

        if self.region is None or self.is_tiled:
            return None
        height, width, depth = self.values.shape
        y, x, c = np.ogrid[:height, :width, :depth]
        row, column, sixteen = self.strides
        if self.is_brick:
            offsets = x * 16 * self.element + (c >> 4) * sixteen + (c & 15) * self.element
        else:
            offsets = x * column + c * self.element
        return np.asarray(self.base + y * row + offsets)


class TracedProgram(HostProgram):
    """A program whose `run_delegate` also records what each operation stores, and hazards."""

    _delegate_call = "etb_trace_delegate"

    @property
    def hazards(self) -> tuple[Hazard, ...]:
        """Of the last `run_delegate`."""
        return tuple(hazard_of(raw) for raw in self._listed(self._library.etb_hazards))

    @property
    def results(self) -> tuple[Result, ...]:
        """Of the last `run_delegate`, in the order of the run; the first ones, when the memory limit is reached."""
        return tuple(results_of(self))


def results_of(program: HostProgram) -> Iterator[Result]:
    """What the operations of the last run stored, in the order of the run."""
    import numpy as np

    library, handle = program._library, program._handle
    count = ctypes.c_size_t()
    pointer = library.etb_result_values(handle, ctypes.byref(count))
    values = np.ctypeslib.as_array(pointer, (count.value,)).copy() if count.value else np.empty(0, np.int32)
    events = map(event_of, program._listed(library.etb_events))
    names = {(event.instruction, event.operation): event.name for event in events if event.delegate is not None}
    for raw in program._listed(library.etb_results):
        yield _result(raw, names.get((raw.instruction, raw.operation), ""), values)


def _result(raw: abi.Result, name: str, values: Array) -> Result:
    shape = tuple(raw.shape)
    count = shape[0] * shape[1] * shape[2]
    return Result(
        name,
        raw.operation,
        raw.word,
        values[raw.first : raw.first + count].reshape(shape),
        raw.element,
        None if raw.region < 0 else raw.region,
        raw.base,
        (raw.stride_y, raw.stride_x, raw.stride_c),
        bool(raw.brick),
        bool(raw.tiled),
    )
