"""One delegate's .tosa graph: its border, and what the TOSA reference model computes with it."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from etbuild.errors import StepError

# TOSA's DType by number, as numpy spells it.
_DTYPES = {1: "bool", 2: "int8", 3: "int8", 4: "int16", 5: "int32", 7: "float32", 17: "int64"}


@dataclass(frozen=True)
class Port:
    """One input or output. dtype: numpy's name."""

    shape: tuple[int, ...]
    dtype: str


@contextmanager
def _told() -> Iterator[Callable[[], str]]:
    """Keeps what the reference model's C++ writes to stderr (a warning each run) for the case that it fails."""
    sys.stderr.flush()
    own = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)

        def told() -> str:
            file.seek(0)
            lines = file.read().decode(errors="replace").splitlines()
            return "".join(f"\n    {line}" for line in lines if line.strip() and "serializer version" not in line)

        try:
            yield told
        finally:
            os.dup2(own, 2)
            os.close(own)


class TosaGraph:
    """path: as messages name it."""

    def __init__(self, path: Path):
        self.path = path
        self._bytes = path.read_bytes()

    @cached_property
    def ports(self) -> tuple[tuple[Port, ...], tuple[Port, ...]]:
        """Inputs and outputs in the graph's order."""
        from tosa.TosaGraph import TosaGraph as Table

        block = Table.GetRootAs(self._bytes, 0).Regions(0).Blocks(0)
        tensors = {one.Name(): one for one in (block.Tensors(i) for i in range(block.TensorsLength()))}
        inputs = [block.Inputs(i) for i in range(block.InputsLength())]
        outputs = [block.Outputs(i) for i in range(block.OutputsLength())]
        return tuple(self._port(tensors[name]) for name in inputs), tuple(self._port(tensors[name]) for name in outputs)

    @property
    def outputs(self) -> int:
        return len(self.ports[1])

    def run(self, inputs: Sequence[Any]) -> list[Any]:
        """Arrays in, arrays out; inputs are taken by their bytes in the graph's shape and dtype.

        raises: StepError when the graph is not well defined for these inputs.
        """
        import numpy as np
        import tosa_reference_model as reference

        given = [
            np.ascontiguousarray(array).reshape(-1).view(port.dtype).reshape(port.shape)
            for array, port in zip(inputs, self.ports[0], strict=True)
        ]
        with _told() as told:
            try:
                outputs, status = reference.run(self._bytes, given)
            except Exception as error:
                raise StepError(f"{self.path}: the TOSA reference model: {error}{told()}") from error
            if status != reference.GraphStatus.TOSA_VALID:
                raise StepError(
                    f"{self.path}: got {status.name} from the TOSA reference model, wanted TOSA_VALID{told()}\n"
                    "    the graph's result is not defined for this input: an overflow, or an index out of range?"
                )
        return [
            np.ascontiguousarray(array).reshape(-1).view(port.dtype).reshape(port.shape)
            for array, port in zip(outputs, self.ports[1], strict=True)
        ]

    def _port(self, tensor: Any) -> Port:
        kind = _DTYPES.get(tensor.Type())
        if kind is None:
            raise StepError(f"{self.path}: got a border of TOSA type {tensor.Type()}, wanted an integer or float32")
        return Port(tuple(int(size) for size in tensor.ShapeAsNumpy()) if tensor.ShapeLength() else (), kind)
