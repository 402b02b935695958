"""The fields of the three ExecuTorch file formats, per table in slot order; a union takes two slots.

A test compares them with the schemas that the installed ExecuTorch carries.
"""

from __future__ import annotations

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
