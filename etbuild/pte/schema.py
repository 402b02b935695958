"""The numbers of ExecuTorch's three file formats: fields of tables, members of unions and enums, scalar types.

The source for Python and for C++: `python -m etbuild.pte.generate` writes runtime/pte/format.h from it. Tests compare
it with the schemas of the installed ExecuTorch. It reads no file.

PROGRAM, FLAT_TENSOR and BUNDLED_PROGRAM list the fields of each table in slot order; a union takes two slots.
"""

from __future__ import annotations

from typing import NamedTuple

PROGRAM = {
    "Program": (
        "version",
        "execution_plan",
        "constant_buffer",
        "backend_delegate_data",
        "segments",
        "constant_segment",
        "mutable_data_segments",
        "named_data",
    ),
    "ExecutionPlan": (
        "name",
        "container_meta_type",
        "values",
        "inputs",
        "outputs",
        "chains",
        "operators",
        "delegates",
        "non_const_buffer_sizes",
        "non_const_buffer_device",
    ),
    "EValue": ("val_type", "val"),
    "Null": (),
    "Int": ("int_val",),
    "Bool": ("bool_val",),
    "Double": ("double_val",),
    "String": ("string_val",),
    "IntList": ("items",),
    "DoubleList": ("items",),
    "BoolList": ("items",),
    "TensorList": ("items",),
    "OptionalTensorList": ("items",),
    "Tensor": (
        "scalar_type",
        "storage_offset",
        "sizes",
        "dim_order",
        "requires_grad",
        "data_buffer_idx",
        "allocation_info",
        "layout",
        "shape_dynamism",
        "extra_tensor_info",
    ),
    "AllocationDetails": ("memory_id", "memory_offset_low", "memory_offset_high"),
    "ExtraTensorInfo": (
        "mutable_data_segments_idx",
        "fully_qualified_name",
        "location",
        "device_type",
        "device_index",
    ),
    "Operator": ("name", "overload"),
    "Chain": ("inputs", "outputs", "instructions", "stacktrace"),
    "Instruction": ("instr_args_type", "instr_args"),
    "KernelCall": ("op_index", "args"),
    "DelegateCall": ("delegate_index", "args"),
    "MoveCall": ("move_from", "move_to"),
    "JumpFalseCall": ("cond_value_index", "destination_instruction"),
    "FreeCall": ("value_index",),
    "BackendDelegate": ("id", "processed", "compile_specs"),
    "BackendDelegateDataReference": ("location", "index"),
    "CompileSpec": ("key", "value"),
    "Buffer": ("storage",),
    "BackendDelegateInlineData": ("data",),
    "DataSegment": ("offset", "size"),
    "SubsegmentOffsets": ("segment_index", "offsets"),
    "NamedData": ("key", "segment_index"),
}

KERNEL_TYPES = (
    "NONE",
    "Null",
    "Int",
    "Bool",
    "Double",
    "Tensor",
    "String",
    "IntList",
    "DoubleList",
    "BoolList",
    "TensorList",
    "OptionalTensorList",
)
"""The union KernelTypes, from 0."""

INSTRUCTIONS = ("NONE", "KernelCall", "DelegateCall", "MoveCall", "JumpFalseCall", "FreeCall")
"""The union InstructionArguments, from 0."""

DATA_LOCATIONS = ("inline", "segment")
"""The enum DataLocation, from 0: where a delegate's data is."""

TENSOR_DATA_LOCATIONS = ("segment", "external")
"""The enum TensorDataLocation, from 0: where a tensor's initial data is."""

SHAPE_DYNAMISMS = ("static", "bound", "unbound")
"""The enum TensorShapeDynamism, from 0."""

DEVICE_TYPES = ("cpu", "cuda")
"""The enum DeviceType, from 0."""


class ScalarType(NamedTuple):
    """An element type.

    name: PyTorch's. bits: of one element. short: its name in C++, "" where no CPU kernel has it.
    wide: only the runtime that is built for all element types has it (runtime/base/wide.h).
    """

    name: str
    bits: int
    short: str = ""
    wide: bool = False

    @property
    def is_quantized(self) -> bool:
        """Whether it is one of PyTorch's quantised types, which no exported program has."""
        return self.name.startswith("q")


SCALAR_TYPES = {
    0: ScalarType("uint8", 8, "u8"),
    1: ScalarType("int8", 8, "i8"),
    2: ScalarType("int16", 16, "i16"),
    3: ScalarType("int32", 32, "i32"),
    4: ScalarType("int64", 64, "i64"),
    5: ScalarType("float16", 16, "f16"),
    6: ScalarType("float32", 32, "f32"),
    7: ScalarType("float64", 64, "f64"),
    11: ScalarType("bool", 8, "boolean"),
    12: ScalarType("qint8", 8),
    13: ScalarType("quint8", 8),
    14: ScalarType("qint32", 32),
    15: ScalarType("bfloat16", 16, "bf16", True),
    16: ScalarType("quint4x2", 4),
    17: ScalarType("quint2x4", 2),
    22: ScalarType("bits16", 16),
    23: ScalarType("float8_e5m2", 8),
    24: ScalarType("float8_e4m3fn", 8),
    25: ScalarType("float8_e5m2fnuz", 8),
    26: ScalarType("float8_e4m3fnuz", 8),
    27: ScalarType("uint16", 16, "u16", True),
    28: ScalarType("uint32", 32, "u32", True),
    29: ScalarType("uint64", 64, "u64", True),
}
"""The enum ScalarType by number."""

FLAT_TENSOR = {
    "FlatTensor": ("version", "segments", "named_data"),
    "DataSegment": ("offset", "size"),
    "NamedData": ("key", "segment_index", "tensor_layout"),
    "TensorLayout": ("scalar_type", "sizes", "dim_order"),
}

BUNDLED_PROGRAM = {
    "BundledProgram": ("version", "method_test_suites", "program"),
    "BundledMethodTestSuite": ("method_name", "test_cases"),
    "BundledMethodTestCase": ("inputs", "expected_outputs"),
}
