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
    {1, Shape::tables, PLAN, true}, {2, Shape::tables, BUFFER}, {3, Shape::tables, BUFFER},
    {4, Shape::tables, SEGMENT},    {5, Shape::table, OFFSETS}, {6, Shape::tables, OFFSETS},
    {7, Shape::tables, NAMED},
};
constexpr Field plan_fields[] = {
    {0, Shape::string, 0},     {2, Shape::tables, EVALUE},   {3, Shape::vector, 4},        {4, Shape::vector, 4},
    {5, Shape::tables, CHAIN}, {6, Shape::tables, OPERATOR}, {7, Shape::tables, DELEGATE}, {8, Shape::vector, 8},
};
constexpr Field evalue_fields[] = {{0, Shape::scalar, 1, true}, {1, Shape::union_of_next, NULL_VALUE, true, 11}};
constexpr Field long_fields[] = {{0, Shape::scalar, 8}};
constexpr Field bool_fields[] = {{0, Shape::scalar, 1}};
constexpr Field string_fields[] = {{0, Shape::string, 0, true}};
constexpr Field longs_fields[] = {{0, Shape::vector, 8}};
constexpr Field ints_fields[] = {{0, Shape::vector, 4}};
constexpr Field bytes_fields[] = {{0, Shape::vector, 1}};
constexpr Field tensor_fields[] = {
    {0, Shape::scalar, 1}, {1, Shape::scalar, 4},         {2, Shape::vector, 4}, {3, Shape::vector, 1},
    {5, Shape::scalar, 4}, {6, Shape::table, ALLOCATION}, {8, Shape::scalar, 1}, {9, Shape::table, EXTRA},
};
constexpr Field allocation_fields[] = {{0, Shape::scalar, 4}, {1, Shape::scalar, 4}, {2, Shape::scalar, 4}};
constexpr Field extra_fields[] = {{0, Shape::scalar, 8}, {1, Shape::string, 0}, {2, Shape::scalar, 1}};
constexpr Field chain_fields[] = {{2, Shape::tables, INSTRUCTION}};
constexpr Field instruction_fields[] = {{0, Shape::scalar, 1, true}, {1, Shape::union_of_next, KERNEL, true, 5}};
constexpr Field call_fields[] = {{0, Shape::scalar, 4}, {1, Shape::vector, 4}};
constexpr Field pair_fields[] = {{0, Shape::scalar, 4}, {1, Shape::scalar, 4}};
constexpr Field operator_fields[] = {{0, Shape::string, 0, true}, {1, Shape::string, 0}};
constexpr Field delegate_fields[] = {{0, Shape::string, 0, true}, {1, Shape::table, REFERENCE, true}};
constexpr Field reference_fields[] = {{0, Shape::scalar, 1}, {1, Shape::scalar, 4}};
constexpr Field segment_fields[] = {{0, Shape::scalar, 8}, {1, Shape::scalar, 8}};
constexpr Field offsets_fields[] = {{0, Shape::scalar, 4}, {1, Shape::vector, 8}};
constexpr Field named_fields[] = {{0, Shape::string, 0, true}, {1, Shape::scalar, 4}};

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
    const TableVector segments = program.root.tables(field::program::segments);
    for (std::uint32_t i = 0; i < segments.size; ++i) {
        Bytes data;
        ETB_TRY(program.segment(i, data));
    }
    const TableVector names = program.root.tables(field::program::named_data);
    for (std::uint32_t i = 0; i < names.size; ++i)
        if (names[i].get<std::uint32_t>(1) >= segments.size)
            return error(Code::malformed, ".pte: named data without a segment", i);
    out = program;
    return {};
}

Status Program::segment(std::uint64_t index, Bytes& out) const {
    const TableVector segments = root.tables(field::program::segments);
    if (index >= segments.size) return error(Code::malformed, ".pte: no such segment", index);
    const Table row = segments[static_cast<std::size_t>(index)];
    const std::uint64_t offset = row.get<std::uint64_t>(0);
    const std::uint64_t count = row.get<std::uint64_t>(1);
    if (offset > file.size - segment_base_ || !file.holds(segment_base_ + offset, count))
        return error(Code::truncated, ".pte: segment leaves the file", index);
    return file.slice(segment_base_ + offset, count, out);
}

Status Program::part_of_segment(Table offsets, std::uint32_t index, std::uint64_t count, Bytes& out) const {
    const Vector<std::uint64_t> starts = offsets.vector<std::uint64_t>(1);
    if (index >= starts.size) return error(Code::malformed, ".pte: no data of that index", index);
    Bytes whole;
    ETB_TRY(segment(offsets.get<std::uint32_t>(0), whole));
    if (!whole.holds(starts[index], count)) return error(Code::malformed, ".pte: data leaves its segment", index);
    return whole.slice(starts[index], count, out);
}

Status Program::constant(std::uint32_t index, std::uint64_t count, Bytes& out) const {
    const TableVector inline_data = root.tables(field::program::constant_buffer);
    if (inline_data.size == 0) return part_of_segment(root.table(field::program::constant_segment), index, count, out);
    if (index >= inline_data.size) return error(Code::malformed, ".pte: no constant of that index", index);
    const Bytes whole = inline_data[index].bytes(0);
    if (whole.size < count) return error(Code::malformed, ".pte: constant is shorter than its tensor", index);
    return whole.slice(0, count, out);
}

Status Program::initial_state(std::uint64_t set, std::uint32_t index, std::uint64_t count, Bytes& out) const {
    const TableVector sets = root.tables(field::program::mutable_data_segments);
    if (set >= sets.size) return error(Code::malformed, ".pte: no such set of initial values", set);
    return part_of_segment(sets[static_cast<std::size_t>(set)], index, count, out);
}

Status Program::delegate_data(Table delegate, Bytes& out) const {
    const Table where = delegate.table(field::delegate::processed);
    const std::uint32_t index = where.get<std::uint32_t>(field::reference::index);
    const std::int8_t location = where.get<std::int8_t>(field::reference::location);
    if (location == 1) return segment(index, out);
    const TableVector inline_data = root.tables(field::program::backend_delegate_data);
    if (location != 0 || index >= inline_data.size) return error(Code::malformed, ".pte: no delegate data", index);
    out = inline_data[index].bytes(0);
    return {};
}

Status Program::named(const char* key, Bytes& out) const {
    const TableVector names = root.tables(field::program::named_data);
    for (std::uint32_t i = 0; i < names.size; ++i)
        if (std::strcmp(names[i].string(0), key) == 0) return segment(names[i].get<std::uint32_t>(1), out);
    return error(Code::mismatch, ".pte has no data of that name");
}

}  // namespace etb
