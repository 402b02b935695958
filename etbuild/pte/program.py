"""An ExecuTorch program as data: the content of a .pte after reading and checking. It reads no file."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from etbuild.pte.schema import SCALAR_TYPES

_BITS = {scalar.name: scalar.bits for scalar in SCALAR_TYPES.values()}


@dataclass(frozen=True, slots=True)
class Header:
    """The extended header behind the file identifier. Offsets and sizes in bytes of the file; segment_data_size is 0
    in files of older writers."""

    length: int
    program_size: int
    segment_base_offset: int
    segment_data_size: int


@dataclass(frozen=True, slots=True)
class Allocation:
    """The memory of a tensor: planned buffer `memory_id` (1 is the first), bytes from its start."""

    memory_id: int
    offset: int


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor value.

    dim_order: axes from outermost to innermost in memory. buffer: index of its initial data, 0 for none.
    dynamism: static, bound (sizes are the upper bound) or unbound. name: only where data is external or mutable.
    mutable_segment: which of Program.mutable_data holds the initial data of a mutable tensor.
    """

    dtype: str
    sizes: tuple[int, ...]
    dim_order: tuple[int, ...]
    buffer: int
    allocation: Allocation | None
    dynamism: str = "static"
    storage_offset: int = 0
    external: bool = False
    name: str = ""
    mutable_segment: int = 0
    device: str = "cpu"

    @property
    def bytes(self) -> int:
        """Of its elements, packed."""
        return (prod(self.sizes) * _BITS[self.dtype] + 7) // 8


@dataclass(frozen=True, slots=True)
class Indices:
    """IntList, TensorList or OptionalTensorList: each item is an index into the method's values (also in an IntList,
    whose items the runtime stores as values of their own); -1 means no tensor."""

    kind: str
    items: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Scalars:
    """DoubleList or BoolList: the values themselves."""

    kind: str
    items: tuple[float, ...] | tuple[bool, ...]


Value = None | bool | int | float | str | Tensor | Indices | Scalars


@dataclass(frozen=True, slots=True)
class Operator:
    """As the kernel registry spells it: name "aten::add", overload "out"."""

    name: str
    overload: str

    def __str__(self) -> str:
        return f"{self.name}.{self.overload}" if self.overload else self.name


@dataclass(frozen=True, slots=True)
class KernelCall:
    """operator: index into the method's operators; args: indices of values, outputs last."""

    operator: int
    args: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class DelegateCall:
    """delegate: index into the method's delegates; args: indices of values, inputs first."""

    delegate: int
    args: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class MoveCall:
    """Copy value `source` to value `destination`."""

    source: int
    destination: int


@dataclass(frozen=True, slots=True)
class JumpFalseCall:
    """Go to instruction `destination` when the value `condition` is false."""

    condition: int
    destination: int


@dataclass(frozen=True, slots=True)
class FreeCall:
    """Free the memory of value `value`."""

    value: int


Instruction = KernelCall | DelegateCall | MoveCall | JumpFalseCall | FreeCall


@dataclass(frozen=True, slots=True)
class Chain:
    """Instructions that run one after the other."""

    instructions: tuple[Instruction, ...]


@dataclass(frozen=True, slots=True)
class CompileSpec:
    """One option that a delegate was compiled with."""

    key: str
    value: memoryview


@dataclass(frozen=True, slots=True)
class Delegate:
    """id: the backend's name. location: "inline" or "segment". offset: byte of the file where data begins."""

    id: str
    location: str
    index: int
    compile_specs: tuple[CompileSpec, ...]
    data: memoryview
    offset: int


@dataclass(frozen=True, slots=True)
class Method:
    """One method.

    inputs, outputs: indices of values. buffer_sizes: bytes of each planned buffer; [0] is reserved and 0.
    """

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    values: tuple[Value, ...]
    chains: tuple[Chain, ...]
    operators: tuple[Operator, ...]
    delegates: tuple[Delegate, ...]
    buffer_sizes: tuple[int, ...]

    def kernel_calls(self) -> tuple[KernelCall, ...]:
        """Of all chains, in order."""
        return tuple(
            instruction
            for chain in self.chains
            for instruction in chain.instructions
            if isinstance(instruction, KernelCall)
        )

    def delegate_calls(self) -> tuple[DelegateCall, ...]:
        """Of all chains, in order."""
        return tuple(
            instruction
            for chain in self.chains
            for instruction in chain.instructions
            if isinstance(instruction, DelegateCall)
        )


@dataclass(frozen=True, slots=True)
class Segment:
    """offset: byte of the file, not of the segment area."""

    offset: int
    data: memoryview


@dataclass(frozen=True, slots=True)
class Subsegments:
    """Offsets of single tensors' data within one segment, in bytes; index 0 is reserved."""

    segment: int
    offsets: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class NamedData:
    """A key, and the index of the segment with its data."""

    key: str
    segment: int


@dataclass(frozen=True, slots=True)
class Program:
    """A whole file.

    name: the path as the caller gave it. size: bytes. constants: where constants are in a segment, None when there are
    none. constant_buffers: the constants of files of older writers, which have them in the flatbuffer.
    """

    name: str
    size: int
    version: int
    header: Header | None
    methods: tuple[Method, ...]
    segments: tuple[Segment, ...]
    constants: Subsegments | None
    constant_buffers: tuple[memoryview, ...]
    mutable_data: tuple[Subsegments, ...]
    named_data: tuple[NamedData, ...]
    inline_data: tuple[memoryview, ...]

    def constant(self, tensor: Tensor) -> memoryview | None:
        """The bytes of a constant tensor; None when it has none here (activations, external data)."""
        if tensor.buffer == 0 or tensor.external or tensor.allocation is not None:
            return None
        if self.constant_buffers:
            return self.constant_buffers[tensor.buffer][: tensor.bytes]
        if self.constants is None:
            return None
        start = self.constants.offsets[tensor.buffer]
        return self.segments[self.constants.segment].data[start : start + tensor.bytes]

    def named(self, key: str) -> memoryview | None:
        """The data with this key in this file; None when there is none."""
        return next((self.segments[entry.segment].data for entry in self.named_data if entry.key == key), None)
