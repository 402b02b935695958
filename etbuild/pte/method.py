"""Reads one method of a program: its values, instructions and delegates, every index checked. It runs nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from etbuild.pte.program import (
    Allocation,
    Chain,
    CompileSpec,
    Delegate,
    DelegateCall,
    FreeCall,
    Indices,
    Instruction,
    JumpFalseCall,
    KernelCall,
    Method,
    MoveCall,
    Operator,
    Scalars,
    Segment,
    Tensor,
    Value,
)
from etbuild.pte.schema import (
    DATA_LOCATIONS,
    DEVICE_TYPES,
    INSTRUCTIONS,
    KERNEL_TYPES,
    SCALAR_TYPES,
    SHAPE_DYNAMISMS,
    TENSOR_DATA_LOCATIONS,
)

if TYPE_CHECKING:
    from etbuild.pte.flatbuffer import Table

Blob = tuple[memoryview, int]
"""The bytes of one inline delegate, and the byte of the file where they begin."""

_MOST_DIMENSIONS = 16  # ExecuTorch's own limit


def read_method(table: Table, blobs: Sequence[Blob], segments: Sequence[Segment]) -> Method:
    """The method in an ExecutionPlan table. blobs: the program's inline delegates.

    raises: BadPte.
    """
    buffer_sizes = table.numbers("non_const_buffer_sizes", "q")
    if any(size < 0 for size in buffer_sizes):
        raise table.bad("non_const_buffer_sizes", str(min(buffer_sizes)), "sizes of 0 or more")
    method = Method(
        name=table.string("name"),
        inputs=table.numbers("inputs", "i"),
        outputs=table.numbers("outputs", "i"),
        values=tuple(_value(value, buffer_sizes) for value in table.tables("values", "EValue")),
        chains=tuple(_chain(chain) for chain in table.tables("chains", "Chain")),
        operators=tuple(
            Operator(operator.string("name"), operator.string("overload"))
            for operator in table.tables("operators", "Operator")
        ),
        delegates=tuple(
            _delegate(delegate, blobs, segments) for delegate in table.tables("delegates", "BackendDelegate")
        ),
        buffer_sizes=buffer_sizes,
    )
    _check_indices(table, method)
    return method


def read_dtype(table: Table) -> str:
    """PyTorch's name of the field scalar_type.

    raises: BadPte.
    """
    number = table.integer("scalar_type", "b")
    if number not in SCALAR_TYPES:
        raise table.bad("scalar_type", str(number), "a scalar type of ExecuTorch")
    return SCALAR_TYPES[number].name


def _value(table: Table, buffer_sizes: Sequence[int]) -> Value:
    kind = table.choice("val_type", KERNEL_TYPES)
    if kind in ("NONE", "Null"):
        return None
    inner = table.table("val", kind)
    if inner is None:
        raise table.bad("val", f"no {kind}", "the value that its type promises")
    match kind:
        case "Int":
            return inner.integer("int_val", "q")
        case "Bool":
            return inner.boolean("bool_val")
        case "Double":
            return inner.real("double_val")
        case "String":
            return inner.string("string_val")
        case "Tensor":
            return _tensor(inner, buffer_sizes)
        case "DoubleList":
            return Scalars(kind, inner.numbers("items", "d"))
        case "BoolList":
            return Scalars(kind, tuple(map(bool, inner.numbers("items", "B"))))
        case _:
            return Indices(kind, inner.numbers("items", "q" if kind == "IntList" else "i"))


def _tensor(table: Table, buffer_sizes: Sequence[int]) -> Tensor:
    sizes = table.numbers("sizes", "i")
    if len(sizes) > _MOST_DIMENSIONS or any(size < 0 for size in sizes):
        raise table.bad("sizes", f"{len(sizes)} axes, {sizes[:_MOST_DIMENSIONS]}", "at most 16 axes of 0 or more")
    dim_order = table.numbers("dim_order", "B") or tuple(range(len(sizes)))
    if sorted(dim_order) != list(range(len(sizes))):
        raise table.bad("dim_order", str(dim_order[:_MOST_DIMENSIONS]), f"a permutation of {len(sizes)} axes")
    extra = table.table("extra_tensor_info", "ExtraTensorInfo")
    tensor = Tensor(
        dtype=read_dtype(table),
        sizes=sizes,
        dim_order=dim_order,
        buffer=table.integer("data_buffer_idx", "I"),
        allocation=_allocation(table.table("allocation_info", "AllocationDetails")),
        dynamism=table.choice("shape_dynamism", SHAPE_DYNAMISMS),
        storage_offset=table.integer("storage_offset", "i"),
        external=extra is not None and extra.choice("location", TENSOR_DATA_LOCATIONS) == "external",
        name=extra.string("fully_qualified_name") if extra else "",
        mutable_segment=extra.integer("mutable_data_segments_idx", "Q") if extra else 0,
        device=extra.choice("device_type", DEVICE_TYPES) if extra else "cpu",
    )
    memory = tensor.allocation
    if memory and not (
        0 < memory.memory_id < len(buffer_sizes) and memory.offset + tensor.bytes <= buffer_sizes[memory.memory_id]
    ):
        got = f"{tensor.bytes} bytes at {memory.offset} of planned buffer {memory.memory_id}"
        raise table.bad("allocation_info", got, f"memory within the planned buffers {list(buffer_sizes[:8])}")
    return tensor


def _allocation(table: Table | None) -> Allocation | None:
    if table is None:
        return None
    low, high = table.integer("memory_offset_low", "I"), table.integer("memory_offset_high", "I")
    return Allocation(table.integer("memory_id", "I"), low | high << 32)


def _chain(table: Table) -> Chain:
    return Chain(tuple(_instruction(item) for item in table.tables("instructions", "Instruction")))


def _instruction(table: Table) -> Instruction:
    kind = table.choice("instr_args_type", INSTRUCTIONS)
    inner = None if kind == "NONE" else table.table("instr_args", kind)
    if inner is None:
        raise table.bad("instr_args", "no instruction", f"one of {', '.join(INSTRUCTIONS[1:])}")
    match kind:
        case "KernelCall":
            return KernelCall(inner.integer("op_index", "i"), inner.numbers("args", "i"))
        case "DelegateCall":
            return DelegateCall(inner.integer("delegate_index", "i"), inner.numbers("args", "i"))
        case "MoveCall":
            return MoveCall(inner.integer("move_from", "i"), inner.integer("move_to", "i"))
        case "JumpFalseCall":
            return JumpFalseCall(inner.integer("cond_value_index", "i"), inner.integer("destination_instruction", "i"))
        case _:
            return FreeCall(inner.integer("value_index", "i"))


def _delegate(table: Table, blobs: Sequence[Blob], segments: Sequence[Segment]) -> Delegate:
    processed = table.table("processed", "BackendDelegateDataReference")
    if processed is None:
        raise table.bad("processed", "nothing", "a reference to the delegate's data")
    location = processed.choice("location", DATA_LOCATIONS)
    index = processed.integer("index", "I")
    count = len(blobs) if location == "inline" else len(segments)
    if index >= count:
        raise processed.bad("index", str(index), f"one of {count} {location} entries")
    data, offset = blobs[index] if location == "inline" else (segments[index].data, segments[index].offset)
    specs = tuple(
        CompileSpec(spec.string("key"), spec.data("value")) for spec in table.tables("compile_specs", "CompileSpec")
    )
    return Delegate(table.string("id"), location, index, specs, data, offset)


def _check_indices(table: Table, method: Method) -> None:
    def check(path: str, indices: Sequence[int], count: int, least: int = 0) -> None:
        for index in indices:
            if not least <= index < count:
                raise table.bad(path, str(index), f"an index from {least} to {count - 1}")

    values = len(method.values)
    check("inputs", method.inputs, values)
    check("outputs", method.outputs, values)
    for value in method.values:
        if isinstance(value, Indices):
            check("values", value.items, values, -1 if value.kind == "OptionalTensorList" else 0)
    for chain in method.chains:
        for instruction in chain.instructions:
            match instruction:
                case KernelCall(operator, args):
                    check("operators", (operator,), len(method.operators))
                    check("values", args, values)
                case DelegateCall(delegate, args):
                    check("delegates", (delegate,), len(method.delegates))
                    check("values", args, values)
                case MoveCall(source, destination):
                    check("values", (source, destination), values)
                case JumpFalseCall(condition, destination):
                    check("values", (condition,), values)
                    check("chains", (destination,), len(chain.instructions) + 1)
                case FreeCall(freed):
                    check("values", (freed,), values)
