// Memory for ExecuTorch's runtime from one buffer: what stays grows from its start, what lives for one call from its
// end. Neither has a size of its own, so neither can be too small while there is memory left.
#pragma once

#include <executorch/runtime/core/memory_allocator.h>

#include "base/span.h"

namespace etb::executorch_engine {

// A buffer between two users; the free part is [low, high).
struct Range {
    std::uint8_t *first = nullptr, *low = nullptr, *high = nullptr, *end = nullptr;
    std::size_t peak = 0;

    explicit Range(MutableBytes buffer)
        : first(buffer.data), low(buffer.data), high(buffer.data + buffer.size), end(high) {}
    // null: there is no room. alignment: a power of two.
    void* from_low(std::size_t bytes, std::size_t alignment) {
        const std::size_t gap = (alignment - reinterpret_cast<std::uintptr_t>(low) % alignment) % alignment;
        const auto room = static_cast<std::size_t>(high - low);
        if (gap > room || bytes > room - gap) return nullptr;
        low += gap + bytes;
        return used(low - bytes);
    }
    void* from_high(std::size_t bytes, std::size_t alignment) {
        const auto room = static_cast<std::size_t>(high - low);
        if (bytes > room) return nullptr;
        const std::size_t gap = reinterpret_cast<std::uintptr_t>(high - bytes) % alignment;
        if (gap > room - bytes) return nullptr;
        high -= bytes + gap;
        return used(high);
    }

private:
    void* used(std::uint8_t* at) {
        const auto now = static_cast<std::size_t>(low - first + (end - high));
        if (now > peak) peak = now;
        return at;
    }
};

// What newlib's malloc takes its memory from; none before it is set.
void set_heap(Range& range);

// For what lives as long as the method.
class Kept final : public executorch::runtime::MemoryAllocator {
public:
    explicit Kept(Range& range)
        : MemoryAllocator(static_cast<std::uint32_t>(range.end - range.first), range.first), range_(range) {}
    void* allocate(std::size_t bytes, std::size_t alignment) override { return range_.from_low(bytes, alignment); }

private:
    Range& range_;
};

// For what lives for one call of a kernel or delegate: the runtime resets it after each.
class Temporary final : public executorch::runtime::MemoryAllocator {
public:
    explicit Temporary(Range& range)
        : MemoryAllocator(static_cast<std::uint32_t>(range.end - range.first), range.first), range_(range) {}
    void* allocate(std::size_t bytes, std::size_t alignment) override { return range_.from_high(bytes, alignment); }
    void reset() override { range_.high = range_.end; }

private:
    Range& range_;
};

}  // namespace etb::executorch_engine
