#include "pte/program.h"

namespace etb {
namespace {

enum SchemaId : std::uint8_t {
    PROGRAM,
    PLAN,
    EVALUE,
    NULL_VALUE,
    INT,
    BOOL,
    DOUBLE,
    TENSOR,
    STRING,
    INTS,
    DOUBLES,
    BOOLS,
    TENSORS,
    OPTIONAL_TENSORS,
    ALLOCATION,
    EXTRA,
    CHAIN,
    INSTRUCTION,
    KERNEL,
    DELEGATE_CALL,
    MOVE,
    JUMP,
    FREE,
    OPERATOR,
    DELEGATE,
    REFERENCE,
    BUFFER,
    SEGMENT,
    OFFSETS,
    NAMED,
};

constexpr Field program_fields[] = {
    {field::Program::execution_plan, Shape::tables, PLAN, true},
    {field::Program::constant_buffer, Shape::tables, BUFFER},
    {field::Program::backend_delegate_data, Shape::tables, BUFFER},
    {field::Program::segments, Shape::tables, SEGMENT},
    {field::Program::constant_segment, Shape::table, OFFSETS},
    {field::Program::mutable_data_segments, Shape::tables, OFFSETS},
    {field::Program::named_data, Shape::tables, NAMED},
};
constexpr Field plan_fields[] = {
    {field::ExecutionPlan::name, Shape::string, 0},
    {field::ExecutionPlan::values, Shape::tables, EVALUE},
    {field::ExecutionPlan::inputs, Shape::vector, 4},
    {field::ExecutionPlan::outputs, Shape::vector, 4},
    {field::ExecutionPlan::chains, Shape::tables, CHAIN},
    {field::ExecutionPlan::operators, Shape::tables, OPERATOR},
    {field::ExecutionPlan::delegates, Shape::tables, DELEGATE},
    {field::ExecutionPlan::non_const_buffer_sizes, Shape::vector, 8},
};
constexpr Field evalue_fields[] = {
    {field::EValue::val_type, Shape::scalar, 1, true},
    {field::EValue::val, Shape::union_of_next, NULL_VALUE, true, value_types},
};
// Tables of one field, whose id is 0: Int and Double, Bool, String, IntList and DoubleList, TensorList and
// OptionalTensorList, BoolList and Buffer.
constexpr Field long_fields[] = {{field::Int::int_val, Shape::scalar, 8}};
constexpr Field bool_fields[] = {{field::Bool::bool_val, Shape::scalar, 1}};
constexpr Field string_fields[] = {{field::String::string_val, Shape::string, 0, true}};
constexpr Field longs_fields[] = {{field::IntList::items, Shape::vector, 8}};
constexpr Field ints_fields[] = {{field::TensorList::items, Shape::vector, 4}};
constexpr Field bytes_fields[] = {{field::BoolList::items, Shape::vector, 1}};
constexpr Field tensor_fields[] = {
    {field::Tensor::scalar_type, Shape::scalar, 1},     {field::Tensor::storage_offset, Shape::scalar, 4},
    {field::Tensor::sizes, Shape::vector, 4},           {field::Tensor::dim_order, Shape::vector, 1},
    {field::Tensor::data_buffer_idx, Shape::scalar, 4}, {field::Tensor::allocation_info, Shape::table, ALLOCATION},
    {field::Tensor::shape_dynamism, Shape::scalar, 1},  {field::Tensor::extra_tensor_info, Shape::table, EXTRA},
};
constexpr Field allocation_fields[] = {
    {field::AllocationDetails::memory_id, Shape::scalar, 4},
    {field::AllocationDetails::memory_offset_low, Shape::scalar, 4},
    {field::AllocationDetails::memory_offset_high, Shape::scalar, 4},
};
constexpr Field extra_fields[] = {
    {field::ExtraTensorInfo::mutable_data_segments_idx, Shape::scalar, 8},
    {field::ExtraTensorInfo::fully_qualified_name, Shape::string, 0},
    {field::ExtraTensorInfo::location, Shape::scalar, 1},
};
constexpr Field chain_fields[] = {{field::Chain::instructions, Shape::tables, INSTRUCTION}};
constexpr Field instruction_fields[] = {
    {field::Instruction::instr_args_type, Shape::scalar, 1, true},
    {field::Instruction::instr_args, Shape::union_of_next, KERNEL, true, instruction_types},
};
constexpr Field call_fields[] = {{field::call::index, Shape::scalar, 4}, {field::call::args, Shape::vector, 4}};
// MoveCall and JumpFalseCall; FreeCall has the first field only.
constexpr Field pair_fields[] = {
    {field::MoveCall::move_from, Shape::scalar, 4},
    {field::MoveCall::move_to, Shape::scalar, 4},
};
constexpr Field operator_fields[] = {
    {field::Operator::name, Shape::string, 0, true},
    {field::Operator::overload, Shape::string, 0},
};
constexpr Field delegate_fields[] = {
    {field::BackendDelegate::id, Shape::string, 0, true},
    {field::BackendDelegate::processed, Shape::table, REFERENCE, true},
};
constexpr Field reference_fields[] = {
    {field::BackendDelegateDataReference::location, Shape::scalar, 1},
    {field::BackendDelegateDataReference::index, Shape::scalar, 4},
};
constexpr Field segment_fields[] = {
    {field::DataSegment::offset, Shape::scalar, 8},
    {field::DataSegment::size, Shape::scalar, 8},
};
constexpr Field offsets_fields[] = {
    {field::SubsegmentOffsets::segment_index, Shape::scalar, 4},
    {field::SubsegmentOffsets::offsets, Shape::vector, 8},
};
constexpr Field named_fields[] = {
    {field::NamedData::key, Shape::string, 0, true},
    {field::NamedData::segment_index, Shape::scalar, 4},
};

// In the order of SchemaId.
constexpr Span<const Field> schemas[] = {
    program_fields,  plan_fields,        evalue_fields,     {},
    long_fields,     bool_fields,        long_fields,       tensor_fields,
    string_fields,   longs_fields,       longs_fields,      bytes_fields,
    ints_fields,     ints_fields,        allocation_fields, extra_fields,
    chain_fields,    instruction_fields, call_fields,       call_fields,
    pair_fields,     pair_fields,        pair_fields,       operator_fields,
    delegate_fields, reference_fields,   bytes_fields,      segment_fields,
    offsets_fields,  named_fields,
};
static_assert(sizeof schemas / sizeof schemas[0] == NAMED + 1);

}  // namespace

Status Program::open(Bytes file, Program& out) {
    if (file.size < 8) return error(Code::truncated, "not a .pte: too short", file.size);
    if (std::memcmp(file.data + 4, "ET12", 4) != 0) return error(Code::malformed, "not a .pte: no ET12 at byte 4");
    Program program;
    program.file = file;
    Bytes flatbuffer = file;
    if (file.size >= 12 && std::memcmp(file.data + 8, "eh00", 4) == 0) {
        if (file.size < 32) return error(Code::truncated, ".pte ends inside its header", file.size);
        const std::uint32_t header_bytes = load<std::uint32_t>(file.data + 12);
        if (header_bytes < 24) return error(Code::malformed, ".pte header has a wrong length", header_bytes);
        ETB_TRY(file.slice(0, load<std::uint64_t>(file.data + 16), flatbuffer));
        program.segment_base_ = load<std::uint64_t>(file.data + 24);
        if (program.segment_base_ > file.size)
            return error(Code::truncated, ".pte ends before its segments", program.segment_base_);
    }
    ETB_TRY(verify(flatbuffer, schemas, program.root));
    const TableVector segments = program.root.tables(field::Program::segments);
    for (std::uint32_t i = 0; i < segments.size; ++i) {
        Bytes data;
        ETB_TRY(program.segment(i, data));
    }
    const TableVector names = program.root.tables(field::Program::named_data);
    for (std::uint32_t i = 0; i < names.size; ++i)
        if (names[i].get<std::uint32_t>(field::NamedData::segment_index) >= segments.size)
            return error(Code::malformed, ".pte: named data without a segment", i);
    out = program;
    return {};
}

Status Program::segment(std::uint64_t index, Bytes& out) const {
    const TableVector segments = root.tables(field::Program::segments);
    if (index >= segments.size) return error(Code::malformed, ".pte: no such segment", index);
    const Table row = segments[static_cast<std::size_t>(index)];
    const std::uint64_t offset = row.get<std::uint64_t>(field::DataSegment::offset);
    const std::uint64_t count = row.get<std::uint64_t>(field::DataSegment::size);
    if (offset > file.size - segment_base_ || !file.holds(segment_base_ + offset, count))
        return error(Code::truncated, ".pte: segment leaves the file", index);
    return file.slice(segment_base_ + offset, count, out);
}

Status Program::part_of_segment(Table offsets, std::uint32_t index, std::uint64_t count, Bytes& out) const {
    const Vector<std::uint64_t> starts = offsets.vector<std::uint64_t>(field::SubsegmentOffsets::offsets);
    if (index >= starts.size) return error(Code::malformed, ".pte: no data of that index", index);
    Bytes whole;
    ETB_TRY(segment(offsets.get<std::uint32_t>(field::SubsegmentOffsets::segment_index), whole));
    if (!whole.holds(starts[index], count)) return error(Code::malformed, ".pte: data leaves its segment", index);
    return whole.slice(starts[index], count, out);
}

Status Program::constant(std::uint32_t index, std::uint64_t count, Bytes& out) const {
    const TableVector inline_data = root.tables(field::Program::constant_buffer);
    if (inline_data.size == 0) return part_of_segment(root.table(field::Program::constant_segment), index, count, out);
    if (index >= inline_data.size) return error(Code::malformed, ".pte: no constant of that index", index);
    const Bytes whole = inline_data[index].bytes(field::Buffer::storage);
    if (whole.size < count) return error(Code::malformed, ".pte: constant is shorter than its tensor", index);
    return whole.slice(0, count, out);
}

Status Program::initial_state(std::uint64_t set, std::uint32_t index, std::uint64_t count, Bytes& out) const {
    const TableVector sets = root.tables(field::Program::mutable_data_segments);
    if (set >= sets.size) return error(Code::malformed, ".pte: no such set of initial values", set);
    return part_of_segment(sets[static_cast<std::size_t>(set)], index, count, out);
}

Status Program::delegate_data(Table delegate, Bytes& out) const {
    const Table where = delegate.table(field::BackendDelegate::processed);
    const std::uint32_t index = where.get<std::uint32_t>(field::BackendDelegateDataReference::index);
    const auto location = where.get<DataLocation>(field::BackendDelegateDataReference::location);
    if (location == DataLocation::segment) return segment(index, out);
    const TableVector inline_data = root.tables(field::Program::backend_delegate_data);
    if (location != DataLocation::inline_ || index >= inline_data.size)
        return error(Code::malformed, ".pte: no delegate data", index);
    out = inline_data[index].bytes(field::BackendDelegateInlineData::data);
    return {};
}

Status Program::named(const char* key, Bytes& out) const {
    const TableVector names = root.tables(field::Program::named_data);
    for (std::uint32_t i = 0; i < names.size; ++i)
        if (std::strcmp(names[i].string(field::NamedData::key), key) == 0)
            return segment(names[i].get<std::uint32_t>(field::NamedData::segment_index), out);
    return error(Code::mismatch, ".pte has no data of that name");
}

}  // namespace etb
