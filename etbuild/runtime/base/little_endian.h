// Little-endian loads and stores at any alignment, and a checked cursor over untrusted bytes.
#pragma once

#include <cstring>

#include "base/span.h"

namespace etb {

// Host and target must be little-endian.
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);

template <class T>
inline T load(const std::uint8_t* from) {
    T value;
    std::memcpy(&value, from, sizeof value);
    return value;
}

template <class T>
inline void store(std::uint8_t* to, T value) {
    std::memcpy(to, &value, sizeof value);
}

// Sequential checked reads; a failed read does not move the position.
struct Cursor {
    Bytes bytes;
    std::size_t position = 0;

    [[nodiscard]] std::size_t left() const { return bytes.size - position; }

    template <class T>
    Status read(T& out) {
        if (left() < sizeof(T)) return error(Code::truncated, "input ends inside a value", position);
        out = load<T>(bytes.data + position);
        position += sizeof(T);
        return {};
    }

    Status take(std::uint64_t count, Bytes& out) {
        if (count > left()) return error(Code::truncated, "input ends inside a block", position);
        out = {bytes.data + position, static_cast<std::size_t>(count)};
        position += static_cast<std::size_t>(count);
        return {};
    }
};

}  // namespace etb
