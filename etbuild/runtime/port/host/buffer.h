// Memory that a program asks for, from the heap, within one limit for all of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#include "base/span.h"
#include "base/status.h"

namespace etb {

// What a program may still ask for, of all that it may. The numbers in a .pte are untrusted, and cheap to write.
struct Budget {
    std::uint64_t limit = 0;
    std::uint64_t left = 0;
    std::uint64_t refused = 0;  // bytes altogether with the request that was refused; 0: none was

    Status take(std::uint64_t bytes) {
        if (bytes <= left) {
            left -= bytes;
            return {};
        }
        const std::uint64_t used = limit - left;
        refused = bytes > UINT64_MAX - used ? UINT64_MAX : used + bytes;
        return error(Code::no_memory, "program asks for too many bytes of memory", refused);
    }
    void give_back(std::uint64_t bytes) { left += bytes; }
};

// Memory from the heap, aligned to 16 bytes and zero. The system provides a page of it when it is first touched.
struct Buffer {
    void* data = nullptr;
    std::size_t size = 0;

    Buffer() = default;
    Buffer(Buffer&& other) noexcept : data(std::exchange(other.data, nullptr)), size(std::exchange(other.size, 0)) {}
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;
    ~Buffer() { std::free(data); }

    Status allocate(Budget& budget, std::uint64_t bytes) {
        static_assert(alignof(std::max_align_t) >= 16, "calloc aligns to it");
        budget.give_back(size);
        std::free(data);
        data = nullptr;
        size = 0;
        ETB_TRY(budget.take(bytes));
        data = std::calloc(static_cast<std::size_t>(bytes) / 16 + 2, 16);
        if (!data) {
            budget.give_back(bytes);
            return error(Code::no_memory, "the host has no memory left for bytes", bytes);
        }
        size = static_cast<std::size_t>(bytes);
        return {};
    }
    Status copy(Budget& budget, const void* from, std::size_t bytes) {
        ETB_TRY(allocate(budget, bytes));
        if (bytes) std::memcpy(data, from, bytes);
        return {};
    }
    [[nodiscard]] MutableBytes span() const { return {static_cast<std::uint8_t*>(data), size}; }
};

struct Buffers {
    std::vector<Buffer> all;
    std::vector<MutableBytes> spans;

    Status count(Budget& budget, std::size_t wanted) {
        ETB_TRY(budget.take(wanted * (sizeof(Buffer) + sizeof(MutableBytes))));
        all.resize(wanted);
        spans.resize(wanted);
        return {};
    }
    Status fill(Budget& budget, std::size_t i, std::uint64_t bytes) {
        ETB_TRY(all[i].allocate(budget, bytes));
        spans[i] = all[i].span();
        return {};
    }
};

}  // namespace etb
