#include "pte/data_file.h"

namespace etb {

namespace ptd = field::ptd;

namespace {

enum SchemaId : std::uint8_t { FLAT_TENSOR, SEGMENT, NAMED };
constexpr Field flat_tensor_fields[] = {
    {ptd::FlatTensor::segments, Shape::tables, SEGMENT},
    {ptd::FlatTensor::named_data, Shape::tables, NAMED},
};
constexpr Field segment_fields[] = {
    {ptd::DataSegment::offset, Shape::scalar, 8},
    {ptd::DataSegment::size, Shape::scalar, 8},
};
constexpr Field named_fields[] = {
    {ptd::NamedData::key, Shape::string, 0, true},
    {ptd::NamedData::segment_index, Shape::scalar, 4},
};
constexpr Span<const Field> schemas[] = {flat_tensor_fields, segment_fields, named_fields};

}  // namespace

Status DataFile::open(Bytes file, DataFile& out) {
    if (file.size < 48) return error(Code::truncated, "not a .ptd: too short", file.size);
    if (std::memcmp(file.data + 4, "FT01", 4) != 0 || std::memcmp(file.data + 8, "FH01", 4) != 0)
        return error(Code::malformed, "not a .ptd: no FT01 and FH01 at its start");
    DataFile data;
    data.file = file;
    Bytes flatbuffer;
    // The header is inside the flatbuffer, whose root offset is at the start of the file.
    const std::uint64_t header_end = load<std::uint64_t>(file.data + 16);
    if (!file.holds(header_end, load<std::uint64_t>(file.data + 24)))
        return error(Code::truncated, ".ptd ends inside its flatbuffer");
    ETB_TRY(file.slice(0, header_end + load<std::uint64_t>(file.data + 24), flatbuffer));
    data.segment_base_ = load<std::uint64_t>(file.data + 32);
    if (data.segment_base_ > file.size) return error(Code::truncated, ".ptd ends before its segments");
    ETB_TRY(verify(flatbuffer, schemas, data.root));
    const TableVector segments = data.root.tables(ptd::FlatTensor::segments);
    for (std::uint32_t i = 0; i < segments.size; ++i) {
        const std::uint64_t offset = segments[i].get<std::uint64_t>(ptd::DataSegment::offset);
        if (offset > file.size - data.segment_base_ ||
            !file.holds(data.segment_base_ + offset, segments[i].get<std::uint64_t>(ptd::DataSegment::size)))
            return error(Code::truncated, ".ptd: segment leaves the file", i);
    }
    const TableVector names = data.root.tables(ptd::FlatTensor::named_data);
    for (std::uint32_t i = 0; i < names.size; ++i)
        if (names[i].get<std::uint32_t>(ptd::NamedData::segment_index) >= segments.size)
            return error(Code::malformed, ".ptd: named data without a segment", i);
    out = data;
    return {};
}

Status DataFile::named(const char* key, Bytes& out) const {
    const TableVector names = root.tables(ptd::FlatTensor::named_data);
    for (std::uint32_t i = 0; i < names.size; ++i) {
        if (std::strcmp(names[i].string(ptd::NamedData::key), key) != 0) continue;
        const Table row =
            root.tables(ptd::FlatTensor::segments)[names[i].get<std::uint32_t>(ptd::NamedData::segment_index)];
        return file.slice(segment_base_ + row.get<std::uint64_t>(ptd::DataSegment::offset),
                          row.get<std::uint64_t>(ptd::DataSegment::size), out);
    }
    return error(Code::mismatch, ".ptd has no data of that name");
}

}  // namespace etb
