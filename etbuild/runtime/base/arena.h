// A bump allocator over a buffer of the caller. Memory is released only by going back to a mark.
// A counting arena (`counter`) returns empty spans and only adds up sizes: `used` and `peak` are then what an arena
// with a 16-byte aligned buffer needs.
#pragma once

#include "base/span.h"

namespace etb {

struct Arena {
    MutableBytes memory;
    std::size_t used = 0;
    std::size_t peak = 0;
    bool counting = false;

    static Arena counter() {
        Arena arena;
        arena.memory.size = SIZE_MAX;
        arena.counting = true;
        return arena;
    }

    // alignment: of the address; a power of two. no_memory: Status.number is the number of bytes missing.
    Status allocate(std::uint64_t count, std::size_t alignment, MutableBytes& out) {
        const auto address = reinterpret_cast<std::uintptr_t>(memory.data) + used;
        const std::size_t gap = static_cast<std::size_t>((alignment - address % alignment) % alignment);
        const std::size_t left = memory.size - used;
        if (gap > left || count > left - gap)
            return error(Code::no_memory, "arena is too small by bytes", count > left ? count - left : count + gap - left);
        out = counting ? MutableBytes{} : MutableBytes{memory.data + used + gap, static_cast<std::size_t>(count)};
        used += gap + static_cast<std::size_t>(count);
        if (used > peak) peak = used;
        return {};
    }

    template <class T>
    Status array(std::uint64_t count, Span<T>& out) {
        MutableBytes bytes;
        ETB_TRY(allocate(count > SIZE_MAX / sizeof(T) ? UINT64_MAX : count * sizeof(T), alignof(T), bytes));
        out = {reinterpret_cast<T*>(bytes.data), bytes.size / sizeof(T)};
        return {};
    }

    [[nodiscard]] std::size_t mark() const { return used; }
    void release(std::size_t to) { used = to; }
};

}  // namespace etb
