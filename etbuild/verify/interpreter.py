"""Interprets an emitted ExecuTorch program in Python: the caller provides delegates and the kernels of CPU operators.

PyTorch computes what those kernels do not, and is compared with them. It is a reference for values. It does not
reproduce the memory plan, except that views share the memory of their base. Mutable state persists between runs, as in
ExecuTorch's runtime.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from etbuild.errors import StepError
from etbuild.pte.schema import SCALAR_TYPES
from etbuild.verify import cortex_m_reference
from etbuild.verify.cpu_operators import CpuOperators, Operand

if TYPE_CHECKING:
    from etbuild.compile.lowered import Lowered

_SCALAR_OPERATORS: dict[str, Callable[..., Any]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "floordiv": operator.floordiv,
    "truediv": operator.truediv,
    "mod": operator.mod,
    "neg": operator.neg,
    "eq": operator.eq,
    "gt": operator.gt,
    "lt": operator.lt,
    "ge": operator.ge,
    "le": operator.le,
    "sym_float": float,
    "ceil": math.ceil,
    "round": round,
    "trunc": math.trunc,
}
REMEDY = "replace the operator in the model, or build without expected outputs: doit pte"
# Lists of indices of values; -1 for None.
_LISTS = ("IntList", "TensorList", "OptionalTensorList")


class Delegate(Protocol):
    """Computes one delegate. outputs: number of its outputs. run: numpy arrays in and out, reinterpreted by bytes."""

    @property
    def outputs(self) -> int: ...

    def run(self, inputs: Sequence[Any]) -> list[Any]: ...


class Interpreter:
    """The state of one program.

    delegates: one for each delegate of the program, in order.
    kernels:   of the CPU operators.
    """

    def __init__(self, lowered: Lowered, delegates: Sequence[Delegate], kernels: CpuOperators):
        self._plan = lowered.plan
        self._kernels = kernels
        self._delegates = delegates
        self._values = _Values(lowered)

    def run(self, inputs: Sequence[Any]) -> list[Any]:
        """Run one inference.

        inputs: tensors with the shapes and dtypes of the program's inputs.
        return: its outputs.
        raises: StepError for an operator that PyTorch lacks or cannot compute.
        """
        for index, value in zip(self._plan.inputs, inputs, strict=True):
            self._values.write(index, value)
        for chain in self._plan.chains:
            at = 0
            while at < len(chain.instructions):
                at = self._step(chain.instructions[at].instr_args, at)
        return [self._values.read(index) for index in self._plan.outputs]

    def _step(self, instruction: Any, at: int) -> int:
        """Execute one instruction; the index of the next one."""
        kind = type(instruction).__name__
        if kind == "KernelCall":
            self._call_kernel(self._plan.operators[instruction.op_index], instruction.args)
        elif kind == "DelegateCall":
            self._call_delegate(instruction)
        elif kind == "MoveCall":
            self._values.write(instruction.move_to, self._values.read(instruction.move_from))
        elif kind == "JumpFalseCall" and not bool(self._values.read(instruction.cond_value_index)):
            return int(instruction.destination_instruction)
        return at + 1

    def _call_delegate(self, call: Any) -> None:
        delegate = self._delegates[call.delegate_index]
        input_count = len(call.args) - delegate.outputs
        inputs = [_to_array(self._values.read(index), self._values.schema(index)) for index in call.args[:input_count]]
        for index, array in zip(call.args[input_count:], delegate.run(inputs), strict=True):
            self._values.write(index, _from_array(array, self._values.schema(index)))

    def _call_kernel(self, target: Any, indices: Sequence[int]) -> None:
        namespace, _, name = target.name.partition("::")
        if namespace == "executorch_prim" or name in ("sym_size", "sym_numel", "_local_scalar_dense"):
            self._call_primitive(target, name, indices)
            return
        if namespace == "dim_order_ops":
            # A copy into another dim order: values are unchanged, and bytes matter only at delegates, see _to_array.
            out = indices[-1]
            self._values.write(
                out, self._values.value(indices[0]).to(_dtype(self._values.schema(out).scalar_type), copy=True)
            )
            return
        if namespace == "cortex_m" and "quantize_per_tensor" not in name:
            self._call_cortex_m(name, indices)
            return
        if namespace in ("cortex_m", "quantized_decomposed"):
            # ExecuTorch has out variants of these; PyTorch has functions, with the same arguments before the output.
            self._call_operator(_operator(target, "quantized_decomposed", name, "default"), target, indices)
            return
        self._call_operator(_operator(target, namespace, name, target.overload or "default"), target, indices)

    def _call_cortex_m(self, name: str, indices: Sequence[int]) -> None:
        """indices: of the operator's arguments, then of its output."""
        function = cortex_m_reference.operator(name)
        arguments = indices[: len(function._schema.arguments)]
        read = cortex_m_reference.argument_positions(function)
        values = [self._values.value(index) if at in read else None for at, index in enumerate(arguments)]
        orders = [getattr(self._values.schema(index), "dim_order", None) for index in arguments]
        self._values.write(indices[-1], cortex_m_reference.call(name, function, values, orders))

    def _call_operator(self, function: Any, target: Any, indices: Sequence[int]) -> None:
        """Call an operator and write its results.

        indices: of the arguments in the order of its schema, outputs included; those of a function's results follow.
        """
        import torch

        positional, named, written = [], {}, []
        is_variant = any(argument.is_out for argument in function._schema.arguments)
        for argument, index in zip(function._schema.arguments, indices, strict=False):
            if argument.kwarg_only and not is_variant:
                break
            if argument.is_out:
                written.append(index)
                named[argument.name] = torch.empty(0, dtype=_dtype(self._values.schema(index).scalar_type))
                continue
            value = self._values.value(index)
            if value is not None and str(argument.real_type).startswith(("ScalarType", "Optional[ScalarType]")):
                value = _dtype(value)
            if argument.kwarg_only:
                named[argument.name] = value
            else:
                positional.append(value)
        try:
            result = _call(function, positional, named)
        except Exception as error:
            message = (str(error).strip().splitlines() or [""])[0]
            raise StepError(
                f"{target.name}.{target.overload} on the CPU: got {type(error).__name__}: {message}\n    {REMEDY}"
            ) from error
        results = list(result) if isinstance(result, (tuple, list)) else [result]
        if is_variant:
            outputs = dict(zip(written, results, strict=True))
            operands = [self._values.operand(index, outputs) for index in indices]
            results = self._kernels.results((target.name, target.overload), operands, outputs)
        for index, value in zip(written or indices[-len(results) :], results, strict=True):
            self._values.write(index, value)

    def _call_primitive(self, target: Any, name: str, indices: Sequence[int]) -> None:
        values = [self._values.value(index) for index in indices[:-1]]
        if name == "et_view":
            result: Any = values[0].reshape(values[1])
        elif name == "sym_size":
            result = int(values[0].shape[values[1]])
        elif name in ("sym_numel", "_local_scalar_dense"):
            result = values[0].numel() if name == "sym_numel" else values[0].item()
        elif name in _SCALAR_OPERATORS:
            result = _SCALAR_OPERATORS[name](*values)
        else:
            raise StepError(
                f"{target.name}.{target.overload}: got a primitive that step golden does not support\n    {REMEDY}"
            )
        self._values.write(indices[-1], result)


class _Values:
    """The program's table of values: what each holds now, and where it is in the memory plan."""

    def __init__(self, lowered: Lowered):
        self._schemas = [value.val for value in lowered.plan.values]
        self._values = [_initial(schema, lowered) for schema in self._schemas]
        # By address in the memory plan: the index of the value written there last.
        self._writers: dict[tuple[int, int], int] = {}

    def schema(self, index: int) -> Any:
        return self._schemas[index]

    def write(self, index: int, value: Any) -> None:
        self._values[index] = value
        address = _address(self.schema(index))
        if address is not None:
            self._writers[address] = index

    def read(self, index: int) -> Any:
        """A value; a tensor that no instruction writes is a view of the tensor at the same address.

        What nothing has written, such as a state without a value to begin with, is zero, as all memory at the start.
        """
        if self._values[index] is not None:
            return self._values[index]
        schema, address = self.schema(index), _address(self.schema(index))
        if address is None:
            return None
        if address not in self._writers:
            import torch

            return torch.zeros(schema.sizes, dtype=_dtype(schema.scalar_type))
        base = self._writers[address]
        return _from_array(_to_array(self._values[base], self.schema(base)), self.schema(index))

    def value(self, index: int) -> Any:
        """A value as a PyTorch argument; lists of integers and tensors hold indices of values, -1 for None."""
        schema = self.schema(index)
        if type(schema).__name__ in _LISTS:
            return [None if item < 0 else self.read(item) for item in schema.items]
        return self.read(index)

    def operand(self, index: int, outputs: Mapping[int, Any]) -> Operand:
        if index < 0 or index in outputs:
            return Operand(index, self.schema(index) if index >= 0 else None, outputs.get(index))
        schema = self.schema(index)
        if type(schema).__name__ in _LISTS:
            return Operand(index, schema, None, tuple(self.operand(item, outputs) for item in schema.items))
        return Operand(index, schema, self.read(index))


def _call(function: Any, positional: Sequence[Any], named: Mapping[str, Any]) -> Any:
    """The result of an operator. By some (upsample_nearest2d) PyTorch copies no int8; as float32 they are the same."""
    import torch

    def is_bytes(value: Any) -> bool:
        return bool(torch.is_tensor(value) and value.dtype == torch.int8)

    try:
        return function(*positional, **named)
    except NotImplementedError:
        if not named or not all(map(is_bytes, named.values())):
            raise
        floats = [value.float() if is_bytes(value) else value for value in positional]
        result = function(*floats, **{name: value.float() for name, value in named.items()})
        return result.to(torch.int8)


def _address(schema: Any) -> tuple[int, int] | None:
    """Buffer and offset of a tensor in the memory plan; None for values that are not planned."""
    allocation = getattr(schema, "allocation_info", None)
    return None if allocation is None else (allocation.memory_id, allocation.memory_offset)


def _operator(target: Any, namespace: str, name: str, overload: str) -> Any:
    import torch

    try:
        return getattr(getattr(getattr(torch.ops, namespace), name), overload)
    except AttributeError as error:
        raise StepError(
            f"{target.name}.{target.overload}: got an operator that is not registered in PyTorch\n    {REMEDY}"
        ) from error


def _initial(schema: Any, lowered: Lowered) -> Any:
    """The value before the first instruction; None for tensors that are written before they are read."""
    kind = type(schema).__name__
    if kind == "Tensor":
        return _initial_tensor(schema, lowered)
    if kind == "Double":
        return float(schema.double_val)
    field = {"Int": "int_val", "Bool": "bool_val", "String": "string_val", "DoubleList": "items", "BoolList": "items"}
    return getattr(schema, field[kind]) if kind in field else None


def _initial_tensor(schema: Any, lowered: Lowered) -> Any:
    """A constant, or the initial value of a mutable tensor; None for all other tensors."""
    import numpy as np

    if schema.data_buffer_idx == 0:
        return None
    constant = schema.allocation_info is None
    buffers = lowered.program.constant_buffer if constant else lowered.mutable_data or []
    if schema.data_buffer_idx >= len(buffers):
        return None
    return _from_array(np.frombuffer(buffers[schema.data_buffer_idx].storage, np.uint8), schema)


def _to_array(tensor: Any, schema: Any) -> Any:
    """A tensor's elements in the order of its bytes in memory, the schema's dim order."""
    return tensor.detach().permute(tuple(schema.dim_order)).contiguous().numpy()


def _from_array(array: Any, schema: Any) -> Any:
    """The tensor with these bytes in memory; the inverse of `_to_array`."""
    import numpy as np
    import torch

    order = list(schema.dim_order)
    flat = torch.from_numpy(np.array(array, copy=True).reshape(-1).view(np.uint8)).view(_dtype(schema.scalar_type))
    return flat.reshape([schema.sizes[axis] for axis in order]).permute(
        [order.index(axis) for axis in range(len(order))]
    )


def _dtype(number: int) -> Any:
    import torch

    scalar = SCALAR_TYPES.get(int(number))
    if scalar is None or scalar.is_quantized:
        raise StepError(f"scalar type {int(number)}: got a dtype that step golden does not support\n    {REMEDY}")
    return getattr(torch, scalar.name)
