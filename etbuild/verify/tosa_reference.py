"""Computes a delegate's TOSA graph with the TOSA reference model."""

from __future__ import annotations

import os
import struct
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from etbuild.errors import StepError

# numpy's names of TOSA's DType.
_DTYPES = {1: "bool", 2: "int8", 3: "int8", 4: "int16", 5: "int32", 7: "float32", 17: "int64"}


@dataclass(frozen=True)
class TensorSpec:
    """An input or output of a graph. dtype: numpy's name."""

    shape: tuple[int, ...]
    dtype: str


@contextmanager
def _captured_stderr() -> Iterator[Callable[[], str]]:
    """Capture stderr of the reference model's C++, a warning per run; the yielded function returns it for a message."""
    sys.stderr.flush()
    original = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)

        def captured() -> str:
            file.seek(0)
            lines = file.read().decode(errors="replace").splitlines()
            return "".join(f"\n    {line}" for line in lines if line.strip() and "serializer version" not in line)

        try:
            yield captured
        finally:
            os.dup2(original, 2)
            os.close(original)


class TosaGraph:
    """A .tosa file. path: of the file, also for messages."""

    def __init__(self, path: Path):
        self.path = path
        self._bytes = path.read_bytes()

    @cached_property
    def specs(self) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
        """Inputs and outputs, in the graph's order.

        raises: StepError for a type that numpy lacks.
        """
        block = self._block
        tensors = {one.Name(): one for one in (block.Tensors(i) for i in range(block.TensorsLength()))}
        inputs = [block.Inputs(i) for i in range(block.InputsLength())]
        outputs = [block.Outputs(i) for i in range(block.OutputsLength())]
        return tuple(self._spec(tensors[name]) for name in inputs), tuple(self._spec(tensors[name]) for name in outputs)

    @property
    def outputs(self) -> int:
        """Number of outputs."""
        return len(self.specs[1])

    def run(self, inputs: Sequence[Any]) -> list[Any]:
        """Compute the graph.

        inputs: arrays of any shape; their bytes are reinterpreted in the graph's shape and dtype.
        return: arrays in the graph's shape and dtype.
        raises: StepError when the result is not defined for these inputs.
        """
        return self._run(self._bytes, inputs, self.specs[1])

    def intermediates(self, inputs: Sequence[Any], names: Sequence[str]) -> dict[str, Any]:
        """The values of these tensors, as `run` gives outputs; without those that no operator of the main block
        computes, and those of a type that numpy lacks.

        raises: StepError when the result is not defined for these inputs.
        """
        computed = self._computed
        found = [name for name in dict.fromkeys(names) if name in computed]
        if not found:
            return {}
        program = with_outputs(self._bytes, self._block, found)
        return dict(zip(found, self._run(program, inputs, [computed[name] for name in found]), strict=True))

    @cached_property
    def operators(self) -> tuple[str, ...]:
        """The first tensor that each operator of the main block computes, in the order of the graph."""
        block = self._block
        every = [block.Operators(i) for i in range(block.OperatorsLength())]
        return tuple(one.Outputs(0).decode() if one.OutputsLength() else "" for one in every)

    @cached_property
    def _block(self) -> Any:
        from tosa.TosaGraph import TosaGraph as Table

        return Table.GetRootAs(self._bytes, 0).Regions(0).Blocks(0)

    @cached_property
    def _computed(self) -> dict[str, TensorSpec]:
        """The tensors that operators compute from others, by name."""
        block = self._block
        operators = [block.Operators(i) for i in range(block.OperatorsLength())]
        made = {one.Outputs(i) for one in operators if one.InputsLength() for i in range(one.OutputsLength())}
        tensors = [block.Tensors(i) for i in range(block.TensorsLength())]
        return {one.Name().decode(): self._spec(one) for one in tensors if one.Name() in made and one.Type() in _DTYPES}

    def _run(self, program: bytes, inputs: Sequence[Any], specs: Sequence[TensorSpec]) -> list[Any]:
        import tosa_reference_model as reference

        arrays = [_reinterpreted(array, spec) for array, spec in zip(inputs, self.specs[0], strict=True)]
        with _captured_stderr() as captured:
            try:
                outputs, status = reference.run(program, arrays)
            except Exception as error:
                raise StepError(f"{self.path}: the TOSA reference model: {error}{captured()}") from error
            if status != reference.GraphStatus.TOSA_VALID:
                raise StepError(
                    f"{self.path}: got {status.name} from the TOSA reference model, wanted TOSA_VALID{captured()}\n"
                    "    the graph's result is not defined for this input: an overflow, or an index out of range?"
                )
        return [_reinterpreted(array, spec) for array, spec in zip(outputs, specs, strict=True)]

    def _spec(self, tensor: Any) -> TensorSpec:
        kind = _DTYPES.get(tensor.Type())
        if kind is None:
            raise StepError(
                f"{self.path}: got an input or output of TOSA type {tensor.Type()}, wanted an integer or float32"
            )
        return TensorSpec(tuple(int(size) for size in tensor.ShapeAsNumpy()) if tensor.ShapeLength() else (), kind)


def with_outputs(graph: bytes, block: Any, names: Sequence[str]) -> bytes:
    """The same graph with these tensors as the outputs of a block of it.

    A FlatBuffer's references point forward, so the new list and its names are appended, and the block's field is set
    to the list: the format needs no more.
    """
    table = block._tab
    outputs_field = 12  # in the vtable: name, operators, tensors, inputs, outputs
    field = table.Pos + table.Offset(outputs_field)
    data = bytearray(graph)
    data += bytes(-len(data) % 4)
    start = len(data)
    data[field : field + 4] = struct.pack("<I", start - field)
    data += struct.pack("<I", len(names)) + bytes(4 * len(names))
    for number, name in enumerate(names):
        at = start + 4 + 4 * number
        data[at : at + 4] = struct.pack("<I", len(data) - at)
        text = name.encode()
        data += struct.pack("<I", len(text)) + text + bytes(4 - len(text) % 4)
    return bytes(data)


def _reinterpreted(array: Any, spec: TensorSpec) -> Any:
    """The same bytes in another shape and dtype."""
    import numpy as np

    return np.ascontiguousarray(array).reshape(-1).view(spec.dtype).reshape(spec.shape)
