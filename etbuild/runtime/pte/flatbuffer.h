// Views of a flatbuffer, and `verify`, which must come first: views check nothing.
//
//   table      i32 distance back to its vtable, then fields
//   vtable     u16 its bytes, u16 the table's bytes, u16 per field: distance from the table, 0 = absent.
//              Writers share vtables between tables of different lengths, so the table's bytes are not used.
//   vector     u32 count, then elements; a table, string or vector is reached by u32 distance forward
//   string     a vector of bytes, then NUL
//   union      two fields: u8 which of its tables, then the table
#pragma once

#include "base/little_endian.h"

namespace etb {

template <class T>
struct Vector {
    const std::uint8_t* first = nullptr;
    std::uint32_t size = 0;

    T operator[](std::size_t index) const { return load<T>(first + index * sizeof(T)); }
};

struct Table;

struct TableVector {
    const std::uint8_t* first = nullptr;
    std::uint32_t size = 0;

    inline Table operator[](std::size_t index) const;
};

// An absent table has `at == nullptr`; all its fields read as defaults.
struct Table {
    const std::uint8_t* at = nullptr;

    explicit operator bool() const { return at != nullptr; }

    template <class T>
    [[nodiscard]] T get(unsigned id, T fallback = T{}) const {
        const std::uint8_t* here = field(id);
        return here ? load<T>(here) : fallback;
    }
    [[nodiscard]] Table table(unsigned id) const { return {target(id)}; }
    template <class T>
    [[nodiscard]] Vector<T> vector(unsigned id) const {
        const std::uint8_t* here = target(id);
        return here ? Vector<T>{here + 4, load<std::uint32_t>(here)} : Vector<T>{};
    }
    [[nodiscard]] TableVector tables(unsigned id) const {
        const std::uint8_t* here = target(id);
        return here ? TableVector{here + 4, load<std::uint32_t>(here)} : TableVector{};
    }
    [[nodiscard]] Bytes bytes(unsigned id) const {
        const std::uint8_t* here = target(id);
        return here ? Bytes{here + 4, load<std::uint32_t>(here)} : Bytes{};
    }
    [[nodiscard]] const char* string(unsigned id) const {
        const std::uint8_t* here = target(id);
        return here ? reinterpret_cast<const char*>(here + 4) : "";
    }

private:
    [[nodiscard]] const std::uint8_t* field(unsigned id) const {
        if (!at) return nullptr;
        const std::uint8_t* vtable = at - load<std::int32_t>(at);
        if (4 + 2 * id >= load<std::uint16_t>(vtable)) return nullptr;
        const std::uint16_t distance = load<std::uint16_t>(vtable + 4 + 2 * id);
        return distance ? at + distance : nullptr;
    }
    [[nodiscard]] const std::uint8_t* target(unsigned id) const {
        const std::uint8_t* here = field(id);
        return here ? here + load<std::uint32_t>(here) : nullptr;
    }
};

inline Table TableVector::operator[](std::size_t index) const {
    const std::uint8_t* here = first + 4 * index;
    return {here + load<std::uint32_t>(here)};
}

// What `verify` checks: one row per field that is read. Fields without a row must never be read.
enum class Shape : std::uint8_t {
    scalar,         // detail: its bytes
    string,         // NUL-terminated
    vector,         // detail: bytes of one element
    table,          // detail: which schema
    tables,         // detail: which schema; a vector of tables
    union_of_next,  // detail: first schema of the union, `extent` of them; its type is the field before it
};

struct Field {
    std::uint8_t id;
    Shape shape;
    std::uint8_t detail;
    bool required = false;
    std::uint8_t extent = 0;
};

// schemas[0] is the root's. The nesting of `schemas` must be finite: it bounds the depth of the walk.
Status verify(Bytes buffer, Span<const Span<const Field>> schemas, Table& root);

}  // namespace etb
