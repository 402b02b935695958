#include "pte/data_file.h"

namespace etb {
namespace {

enum SchemaId : std::uint8_t { FLAT_TENSOR, SEGMENT, NAMED };
constexpr Field flat_tensor_fields[] = {{1, Shape::tables, SEGMENT}, {2, Shape::tables, NAMED}};
constexpr Field segment_fields[] = {{0, Shape::scalar, 8}, {1, Shape::scalar, 8}};
constexpr Field named_fields[] = {{0, Shape::string, 0, true}, {1, Shape::scalar, 4}};
constexpr Span<const Field> schemas[] = {flat_tensor_fields, segment_fields, named_fields};

}  // namespace

Status DataFile::open(Bytes file, DataFile& out) {
    if (file.size < 48) return error(Code::truncated, "not a .ptd: too short", file.size);
    if (std::memcmp(file.data + 4, "FT01", 4) != 0 || std::memcmp(file.data + 8, "FH01", 4) != 0)
        return error(Code::malformed, "not a .ptd: no FT01 and FH01 at its start");
    DataFile data;
    data.file = file;
    Bytes flatbuffer;
    // The header stands inside the flatbuffer, whose root is found from the file's start.
    const std::uint64_t header_end = load<std::uint64_t>(file.data + 16);
    if (!file.holds(header_end, load<std::uint64_t>(file.data + 24)))
        return error(Code::truncated, ".ptd ends inside its flatbuffer");
    ETB_TRY(file.slice(0, header_end + load<std::uint64_t>(file.data + 24), flatbuffer));
    data.segment_base_ = load<std::uint64_t>(file.data + 32);
    if (data.segment_base_ > file.size) return error(Code::truncated, ".ptd ends before its segments");
    ETB_TRY(verify(flatbuffer, schemas, data.root));
    const TableVector segments = data.root.tables(1);
    for (std::uint32_t i = 0; i < segments.size; ++i) {
        const std::uint64_t offset = segments[i].get<std::uint64_t>(0);
        if (offset > file.size - data.segment_base_ ||
            !file.holds(data.segment_base_ + offset, segments[i].get<std::uint64_t>(1)))
            return error(Code::truncated, ".ptd: segment leaves the file", i);
    }
    const TableVector names = data.root.tables(2);
    for (std::uint32_t i = 0; i < names.size; ++i)
        if (names[i].get<std::uint32_t>(1) >= segments.size)
            return error(Code::malformed, ".ptd: named data without a segment", i);
    out = data;
    return {};
}

Status DataFile::named(const char* key, Bytes& out) const {
    const TableVector names = root.tables(2);
    for (std::uint32_t i = 0; i < names.size; ++i) {
        if (std::strcmp(names[i].string(0), key) != 0) continue;
        const Table row = root.tables(1)[names[i].get<std::uint32_t>(1)];
        return file.slice(segment_base_ + row.get<std::uint64_t>(0), row.get<std::uint64_t>(1), out);
    }
    return error(Code::mismatch, ".ptd has no data of that name");
}

}  // namespace etb
