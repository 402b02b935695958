// A pointer with a length; it does not own the memory. `slice`, which is checked, returns a part of it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/status.h"

namespace etb {

template <class T>
struct Span {
    T* data = nullptr;
    std::size_t size = 0;

    constexpr Span() = default;
    constexpr Span(T* first, std::size_t count) : data(first), size(count) {}
    template <std::size_t N>
    constexpr Span(T (&array)[N]) : data(array), size(N) {}  // NOLINT: an array is a span
    constexpr operator Span<const T>() const { return {data, size}; }

    constexpr T& operator[](std::size_t index) const { return data[index]; }
    constexpr T* begin() const { return data; }
    constexpr T* end() const { return data + size; }
    [[nodiscard]] constexpr bool empty() const { return size == 0; }

    // Whether [offset, offset + count) is inside. Cannot overflow.
    [[nodiscard]] constexpr bool holds(std::uint64_t offset, std::uint64_t count) const {
        return offset <= size && count <= size - offset;
    }

    Status slice(std::uint64_t offset, std::uint64_t count, Span& out) const {
        if (!holds(offset, count)) return error(Code::out_of_bounds, "part outside its buffer", offset);
        out = {data + offset, static_cast<std::size_t>(count)};
        return {};
    }
};

using Bytes = Span<const std::uint8_t>;
using MutableBytes = Span<std::uint8_t>;

}  // namespace etb
