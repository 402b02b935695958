// Generated from etbuild/pte/schema.py by `python -m etbuild.pte.generate`; do not edit.
// The numbers of ExecuTorch's file formats: fields, members of unions and enums, scalar types.
// clang-format off
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/wide.h"

namespace etb {

// Field ids, field::<table>::<field> with the names of program.fbs; of flat_tensor.fbs in field::ptd.
namespace field {
namespace Program {
enum : unsigned { version, execution_plan, constant_buffer, backend_delegate_data, segments, constant_segment,
    mutable_data_segments, named_data };
}
namespace ExecutionPlan {
enum : unsigned { name, container_meta_type, values, inputs, outputs, chains, operators, delegates,
    non_const_buffer_sizes, non_const_buffer_device };
}
namespace EValue {
enum : unsigned { val_type, val };
}
namespace Int {
enum : unsigned { int_val };
}
namespace Bool {
enum : unsigned { bool_val };
}
namespace Double {
enum : unsigned { double_val };
}
namespace String {
enum : unsigned { string_val };
}
namespace IntList {
enum : unsigned { items };
}
namespace DoubleList {
enum : unsigned { items };
}
namespace BoolList {
enum : unsigned { items };
}
namespace TensorList {
enum : unsigned { items };
}
namespace OptionalTensorList {
enum : unsigned { items };
}
namespace Tensor {
enum : unsigned { scalar_type, storage_offset, sizes, dim_order, requires_grad, data_buffer_idx, allocation_info,
    layout, shape_dynamism, extra_tensor_info };
}
namespace AllocationDetails {
enum : unsigned { memory_id, memory_offset_low, memory_offset_high };
}
namespace ExtraTensorInfo {
enum : unsigned { mutable_data_segments_idx, fully_qualified_name, location, device_type, device_index };
}
namespace Operator {
enum : unsigned { name, overload };
}
namespace Chain {
enum : unsigned { inputs, outputs, instructions, stacktrace };
}
namespace Instruction {
enum : unsigned { instr_args_type, instr_args };
}
namespace KernelCall {
enum : unsigned { op_index, args };
}
namespace DelegateCall {
enum : unsigned { delegate_index, args };
}
namespace MoveCall {
enum : unsigned { move_from, move_to };
}
namespace JumpFalseCall {
enum : unsigned { cond_value_index, destination_instruction };
}
namespace FreeCall {
enum : unsigned { value_index };
}
namespace BackendDelegate {
enum : unsigned { id, processed, compile_specs };
}
namespace BackendDelegateDataReference {
enum : unsigned { location, index };
}
namespace CompileSpec {
enum : unsigned { key, value };
}
namespace Buffer {
enum : unsigned { storage };
}
namespace BackendDelegateInlineData {
enum : unsigned { data };
}
namespace DataSegment {
enum : unsigned { offset, size };
}
namespace SubsegmentOffsets {
enum : unsigned { segment_index, offsets };
}
namespace NamedData {
enum : unsigned { key, segment_index };
}
namespace ptd {
namespace FlatTensor {
enum : unsigned { version, segments, named_data };
}
namespace DataSegment {
enum : unsigned { offset, size };
}
namespace NamedData {
enum : unsigned { key, segment_index, tensor_layout };
}
namespace TensorLayout {
enum : unsigned { scalar_type, sizes, dim_order };
}
}  // namespace ptd
}  // namespace field

// The union KernelTypes. What a value is.
enum class ValueType : std::uint8_t {
    null = 1,
    integer = 2,
    boolean = 3,
    real = 4,
    tensor = 5,
    string = 6,
    integers = 7,
    reals = 8,
    booleans = 9,
    tensors = 10,
    optional_tensors = 11,
};
inline constexpr std::uint8_t value_types = 11;

// The union InstructionArguments.
enum class Instruction : std::uint8_t {
    kernel = 1,
    delegate = 2,
    move = 3,
    jump_false = 4,
    free = 5,
};
inline constexpr std::uint8_t instruction_types = 5;

// Where a delegate's data is.
enum class DataLocation : std::int8_t { inline_, segment };

// Where a tensor's initial data is.
enum class TensorDataLocation : std::int8_t { segment, external };

// Whether a tensor's sizes may change; bound: up to its sizes in the file.
enum class ShapeDynamism : std::int8_t { static_, bound, unbound };

// Scalar types; only those that a kernel computes with, or moves, have a name.
enum class DType : std::int8_t {
    u8 = 0,  // uint8
    i8 = 1,  // int8
    i16 = 2,  // int16
    i32 = 3,  // int32
    i64 = 4,  // int64
    f16 = 5,  // float16
    f32 = 6,  // float32
    f64 = 7,  // float64
    boolean = 11,  // bool
    bf16 = 15,  // bfloat16
    u16 = 27,  // uint16
    u32 = 28,  // uint32
    u64 = 29,  // uint64
};

// Bytes of one element; 0 for a type without a name here.
constexpr std::size_t element_size(DType type) {
    if constexpr (all_types) switch (type) {
        case DType::bf16:
        case DType::u16:
            return 2;
        case DType::u32:
            return 4;
        case DType::u64:
            return 8;
        default:
            break;
    }
    switch (type) {
        case DType::u8:
        case DType::i8:
        case DType::boolean:
            return 1;
        case DType::i16:
        case DType::f16:
            return 2;
        case DType::i32:
        case DType::f32:
            return 4;
        case DType::i64:
        case DType::f64:
            return 8;
        default:
            break;
    }
    return 0;
}

}  // namespace etb
