"""Computes CPU operators with the kernels of ExecuTorch's own runtime, and measures how PyTorch's results differ.

The wheel has that runtime as a Python extension. It runs programs, not operators, so each operator becomes a program of
one call; equal programs are loaded once. It does not decide what runs on the CPU.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from etbuild.compile import compiler_imports
from etbuild.verify.compare import Worst, worst

EXECUTORCH, PYTORCH = "ExecuTorch", "PyTorch"
# The planned memory of a program has room for outputs at multiples of this.
_ALIGNMENT = 16


class Operand(NamedTuple):
    """An argument or output of a kernel call.

    number: of its entry in the program's table of values; -1 for an absent tensor in a list.
    schema: the entry.
    value:  at the time of the call, a tensor, number, text or None.
    items:  the values that a list of integers or tensors names.
    """

    number: int
    schema: Any
    value: Any
    items: tuple[Operand, ...] = ()


@dataclass
class Compared:
    """What one kernel call of a program gave in all its calls.

    operator: with its overload. kernel: whose results golden has. reason: why not ExecuTorch's; "" if they are.
    elements, differing: of all outputs. worst: of ExecuTorch's results (got) and PyTorch's (wanted).
    line:     of the model, where it is known.
    """

    operator: str
    kernel: str = EXECUTORCH
    reason: str = ""
    calls: int = 0
    elements: int = 0
    differing: int = 0
    worst: Worst | None = None
    line: str | None = None

    def to_json(self) -> dict[str, Any]:
        """One entry of cpu_operators in golden.json. pytorch: how PyTorch's results differ."""
        place = self.worst and {"vector": self.worst.vector, "element": list(self.worst.element)}
        pytorch = {
            "max_abs": self.worst.difference if self.worst else 0.0,
            "differing": self.differing,
            "elements": self.elements,
            "largest_at": place,
        }
        names = {"operator": self.operator, "line": self.line, "kernel": self.kernel, "reason": self.reason or None}
        return {**names, "calls": self.calls, "pytorch": pytorch if self.kernel == EXECUTORCH else None}

    def __str__(self) -> str:
        """A line for people; only for results that differ."""
        assert self.worst, "some element differs"
        return (
            f"{self.operator} at {self.line or 'an unknown line'} on the CPU: ExecuTorch's kernel gives "
            f"{self.worst.got:.9g}, PyTorch {self.worst.wanted:.9g} (vector {self.worst.vector}, element "
            f"{list(self.worst.element)}); {self.differing} of {self.elements} elements differ"
        )


@dataclass
class CpuOperators:
    """The kernels of ExecuTorch's runtime. vector: the number of the test vector that is computed."""

    vector: int = 0
    compared: dict[int, Compared] = field(default_factory=dict)
    _modules: dict[str, tuple[Any, bytes]] = field(default_factory=dict)
    _names: frozenset[str] | None = None

    def results(self, operator: tuple[str, str], operands: Sequence[Operand], outputs: Mapping[int, Any]) -> list[Any]:
        """The outputs of one call: ExecuTorch's, or PyTorch's where ExecuTorch's runtime cannot compute them.

        operator: name and overload.
        outputs:  PyTorch's results, by the number of the operand that is written.
        """
        pytorch = list(outputs.values())
        name = ".".join(filter(None, operator))
        row = self.compared.setdefault(list(outputs)[-1], Compared(name))
        row.calls += 1
        if row.kernel == PYTORCH:
            return pytorch
        if name not in self._registered():
            row.kernel, row.reason = PYTORCH, "ExecuTorch's runtime in Python has no such kernel"
            return pytorch
        try:
            got = self._run(operator, operands, outputs)
        except RuntimeError as error:
            row.kernel, row.reason = PYTORCH, (str(error).strip().splitlines() or [""])[0]
            return pytorch
        for ours, theirs in zip(got, pytorch, strict=True):
            self._compare(row, ours, theirs)
        return got

    def _registered(self) -> frozenset[str]:
        if self._names is None:
            from executorch.extension.pybindings import _C

            self._names = frozenset(_C._get_operator_names())
        return self._names

    def _run(self, operator: tuple[str, str], operands: Sequence[Operand], outputs: Mapping[int, Any]) -> list[Any]:
        """raises: RuntimeError when the kernel refuses its arguments."""
        from executorch.extension.pybindings import _C

        with compiler_imports.serializer() as serializer:
            call = _OneCall(outputs)
            plan = call.plan(operator, operands)
            key = repr(plan)
            if key not in self._modules:
                data = bytes(serializer.serialize_pte_binary(serializer.PTEFile(_program(plan), mutable_data=None)))
                # The runtime reads the bytes as long as it has the program.
                self._modules[key] = (_C._load_for_executorch_from_buffer(data), data)
        results: list[Any] = self._modules[key][0].run_method("forward", call.inputs)
        return results

    def _compare(self, row: Compared, got: Any, wanted: Any) -> None:
        """got, wanted: tensors of one shape. NaN equals NaN."""
        import numpy as np

        ours, theirs = (one.detach().contiguous().numpy() for one in (got, wanted))
        row.elements += ours.size
        differs = ours != theirs
        if ours.dtype.kind == "f":
            differs &= ~(np.isnan(ours) & np.isnan(theirs))
        row.differing += int(differs.sum())
        if not differs.any():
            return
        error = np.where(differs, np.abs(ours.astype(np.float64) - theirs.astype(np.float64)), 0.0)
        found = worst(np.nan_to_num(error, nan=np.inf)[None], ours[None], theirs[None])
        if found and (row.worst is None or found.difference > row.worst.difference):
            row.worst = replace(found, vector=self.vector)


class _OneCall:
    """Builds the execution plan of one kernel call; `inputs` are the tensors to run it with."""

    def __init__(self, written: Mapping[int, Any]):
        """written: PyTorch's results, by the number of the operand."""
        from executorch.exir import schema

        self.inputs: list[Any] = []
        self._schema = schema
        self._written = written
        self._values: list[Any] = []
        self._places: dict[int, int] = {}
        self._input_places: list[int] = []
        self._end = 0

    def plan(self, operator: tuple[str, str], operands: Sequence[Operand]) -> Any:
        """An executorch.exir.schema.ExecutionPlan; every input and output belongs to the one call."""
        schema = self._schema
        arguments = [self._place(operand) for operand in operands]
        call = schema.Instruction(schema.KernelCall(0, arguments))
        return schema.ExecutionPlan(
            name="forward",
            container_meta_type=schema.ContainerMetadata("", ""),
            values=self._values,
            inputs=self._input_places,
            outputs=[self._places[index] for index in self._written],
            chains=[schema.Chain(inputs=[], outputs=[], instructions=[call], stacktrace=None)],
            operators=[schema.Operator(*operator)],
            delegates=[],
            non_const_buffer_sizes=[0, self._end],
        )

    def _place(self, operand: Operand) -> int:
        """The number of an operand in this plan's table of values; -1 for an absent tensor."""
        if operand.number < 0:
            return -1
        if operand.number not in self._places:
            value = self._schema.EValue(self._value(operand))
            self._places[operand.number] = len(self._values)
            self._values.append(value)
            if type(operand.schema).__name__ == "Tensor" and operand.number not in self._written:
                self._input_places.append(self._places[operand.number])
                self.inputs.append(_laid_out(operand.value, operand.schema.dim_order))
        return self._places[operand.number]

    def _value(self, operand: Operand) -> Any:
        schema, kind = self._schema, type(operand.schema).__name__
        if kind == "Tensor":
            return self._tensor(operand)
        if kind in ("IntList", "TensorList", "OptionalTensorList"):
            return type(operand.schema)([self._place(item) for item in operand.items])
        if kind in ("BoolList", "DoubleList", "String", "Null"):
            return operand.schema
        # A number may be the result of an earlier instruction.
        made = {bool: schema.Bool, int: schema.Int, float: schema.Double}.get(type(operand.value))
        return made(operand.value) if made else schema.Null()

    def _tensor(self, operand: Operand) -> Any:
        import copy

        made = copy.copy(operand.schema)
        made.data_buffer_idx, made.storage_offset, made.extra_tensor_info = 0, 0, None
        made.allocation_info = None
        value = self._written.get(operand.number, operand.value)
        made.sizes = list(value.shape)
        if operand.number in self._written:
            made.allocation_info = self._schema.AllocationDetails(1, self._end, 0)
            size = value.numel() * value.element_size()
            self._end += -(-size // _ALIGNMENT) * _ALIGNMENT
        return made


def _laid_out(tensor: Any, dim_order: Sequence[int]) -> Any:
    """The tensor with its elements in memory in the order of these axes, as the runtime finds it out from strides."""
    order = list(dim_order)
    stored = tensor.detach().permute(order).contiguous()
    return stored.permute([order.index(axis) for axis in range(len(order))])


def _program(plan: Any) -> Any:
    from executorch.exir import schema

    return schema.Program(
        version=0,
        execution_plan=[plan],
        constant_buffer=[schema.Buffer(b"")],
        backend_delegate_data=[],
        segments=[],
        constant_segment=schema.SubsegmentOffsets(0, []),
        mutable_data_segments=[],
        named_data=[],
    )


def set_lines(rows: Iterable[Compared], operators: Iterable[Mapping[str, Any]]) -> None:
    """Set the line of the model of each row.

    operators: of partition.json, in the order of the program like the rows. An operator whose number differs between
               the two, as it was replaced by others, gets no line.
    """
    rows_of, lines_of = defaultdict(list), defaultdict(list)
    for row in rows:
        rows_of[row.operator.replace("::", ".").removeprefix("aten.").rpartition(".")[0]].append(row)
    for one in operators:
        if one["place"] == "CPU":
            lines_of[one["operator"].rpartition(".")[0]].append(one["line"])
    for name, found in rows_of.items():
        if len(found) == len(lines_of[name]):
            for row, line in zip(found, lines_of[name], strict=True):
                row.line = line
