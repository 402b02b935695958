#include "pte/flatbuffer.h"

namespace etb {
namespace {

struct Verifier {
    Bytes buffer;
    Span<const Span<const Field>> schemas;
    std::size_t tables_left;  // a table has 4 bytes or more, so a higher count means that tables share tables

    // The target of the forward distance at `from`, which is known to be inside the buffer.
    Status follow(std::size_t from, std::size_t least, std::size_t& to) const {
        const std::uint32_t distance = load<std::uint32_t>(buffer.data + from);
        if (distance < 4 || !buffer.holds(std::uint64_t{from} + distance, least))
            return error(Code::malformed, "flatbuffer: reference leaves the buffer", from);
        to = from + distance;
        return {};
    }

    Status vector(std::size_t from, std::size_t element, std::size_t& first, std::uint32_t& count) const {
        ETB_TRY(follow(from, 4, first));
        count = load<std::uint32_t>(buffer.data + first);
        first += 4;
        if (!buffer.holds(first, std::uint64_t{count} * element))
            return error(Code::malformed, "flatbuffer: vector leaves the buffer", from);
        return {};
    }

    Status table(std::size_t at, std::size_t schema) {
        if (tables_left-- == 0) return error(Code::malformed, "flatbuffer: tables are shared too often", at);
        const std::int64_t vtable = static_cast<std::int64_t>(at) - load<std::int32_t>(buffer.data + at);
        if (vtable < 0 || !buffer.holds(static_cast<std::uint64_t>(vtable), 4))
            return error(Code::malformed, "flatbuffer: vtable outside the buffer", at);
        const auto start = static_cast<std::size_t>(vtable);
        const std::uint16_t vtable_bytes = load<std::uint16_t>(buffer.data + start);
        if (vtable_bytes < 4 || vtable_bytes % 2 || !buffer.holds(start, vtable_bytes))
            return error(Code::malformed, "flatbuffer: vtable leaves the buffer", at);
        for (const Field& row : schemas[schema]) {
            const unsigned slot = 4 + 2u * row.id;
            const std::uint16_t distance =
                slot < vtable_bytes ? load<std::uint16_t>(buffer.data + start + slot) : std::uint16_t{0};
            if (distance == 0) {
                if (row.required) return error(Code::malformed, "flatbuffer: required field is absent", at);
                continue;
            }
            const unsigned bytes = row.shape == Shape::scalar ? row.detail : 4;
            if (distance < 4 || !buffer.holds(at, distance + bytes))
                return error(Code::malformed, "flatbuffer: field leaves the buffer", at);
            ETB_TRY(field(at, at + distance, row));
        }
        return {};
    }

    Status field(std::size_t table_at, std::size_t here, const Field& row) {
        std::size_t first = 0;
        std::uint32_t count = 0;
        switch (row.shape) {
            case Shape::scalar:
                return {};
            case Shape::string:
                ETB_TRY(vector(here, 1, first, count));
                if (!buffer.holds(first, std::uint64_t{count} + 1) || buffer[first + count] != 0)
                    return error(Code::malformed, "flatbuffer: string has no end", here);
                return {};
            case Shape::vector:
                return vector(here, row.detail, first, count);
            case Shape::table:
                ETB_TRY(follow(here, 4, first));
                return table(first, row.detail);
            case Shape::tables:
                ETB_TRY(vector(here, 4, first, count));
                for (std::size_t i = 0; i < count; ++i) {
                    std::size_t to = 0;
                    ETB_TRY(follow(first + 4 * i, 4, to));
                    ETB_TRY(table(to, row.detail));
                }
                return {};
            case Shape::union_of_next: {
                // The type is a scalar field, checked by its own row, which is before this one.
                const std::uint8_t type = Table{buffer.data + table_at}.get<std::uint8_t>(row.id - 1u);
                if (type == 0 || type > row.extent)
                    return error(Code::malformed, "flatbuffer: unknown member of a union", type);
                ETB_TRY(follow(here, 4, first));
                return table(first, row.detail + type - 1u);
            }
        }
        return {};
    }
};

}  // namespace

Status verify(Bytes buffer, Span<const Span<const Field>> schemas, Table& root) {
    if (buffer.size < 8 || buffer.size > 0x7FFFFFFF) return error(Code::truncated, "flatbuffer: no root", buffer.size);
    Verifier verifier{buffer, schemas, buffer.size / 4};
    std::size_t at = 0;
    ETB_TRY(verifier.follow(0, 4, at));
    ETB_TRY(verifier.table(at, 0));
    root = Table{buffer.data + at};
    return {};
}

}  // namespace etb
