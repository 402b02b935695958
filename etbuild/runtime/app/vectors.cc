#include "app/vectors.h"

#include <cstring>

#include "app/frame.h"
#include "base/little_endian.h"

namespace etb::app {
namespace {

constexpr std::size_t head_bytes = 56, row_bytes = 48, most_rank = 8;

}  // namespace

Status Vectors::open(Bytes block, Vectors& out) {
    if (block.size < head_bytes) return error(Code::truncated, "test vectors: no header");
    if (std::memcmp(block.data, "ETBV", 4) != 0 || load<std::uint32_t>(block.data + 4) != 1)
        return error(Code::malformed, "test vectors: not a block of version 1");
    if (load<std::uint32_t>(block.data + 20) != block.size)
        return error(Code::truncated, "test vectors: not all of them are here, of bytes",
                     load<std::uint32_t>(block.data + 20));
    if (load<std::uint32_t>(block.data + 16) != crc32({block.data + 24, block.size - 24}))
        return error(Code::malformed, "test vectors: damaged, their CRC is wrong");
    Vectors vectors;
    vectors.block_ = block;
    vectors.count = load<std::uint32_t>(block.data + 8);
    vectors.inputs = load<std::uint32_t>(block.data + 12);
    vectors.model_digest = {block.data + 24, 32};
    std::uint64_t first = head_bytes + std::uint64_t{vectors.inputs} * row_bytes, stride = 0;
    if (!block.holds(0, first)) return error(Code::truncated, "test vectors: no room for their inputs");
    for (std::size_t i = 0; i < vectors.inputs; ++i) {
        if (vectors.rank(i) > most_rank) return error(Code::malformed, "test vectors: too many dimensions", i);
        stride += vectors.padded(i);
    }
    first = (first + 15) / 16 * 16;
    std::uint64_t bytes = 0;
    if (__builtin_mul_overflow(stride, std::uint64_t{vectors.count}, &bytes) || !block.holds(first, bytes))
        return error(Code::truncated, "test vectors: their data is not all here");
    vectors.first_ = static_cast<std::size_t>(first);
    vectors.stride_ = static_cast<std::size_t>(stride);
    out = vectors;
    return {};
}

std::uint32_t Vectors::rank(std::size_t input) const { return load<std::uint32_t>(row(input)); }

const std::int32_t* Vectors::sizes(std::size_t input) const {
    return reinterpret_cast<const std::int32_t*>(row(input) + 4);
}

std::size_t Vectors::padded(std::size_t input) const {
    return (std::size_t{load<std::uint32_t>(row(input) + 36)} + 15) / 16 * 16;
}

Bytes Vectors::data(std::size_t vector, std::size_t input) const {
    std::size_t at = first_ + vector * stride_;
    for (std::size_t i = 0; i < input; ++i) at += padded(i);
    return {block_.data + at, load<std::uint32_t>(row(input) + 36)};
}

}  // namespace etb::app
