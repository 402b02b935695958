// The test vectors, linked into the image as one block that etbuild/firmware/vectors.py writes:
//
//   0   "ETBV"                     16  u32 CRC-32 of everything from byte 24
//   4   u32 version, 1             20  u32 size of the whole block in bytes
//   8   u32 number of vectors      24  SHA-256 of the model that they are for
//   12  u32 inputs per vector      56  per input 48 bytes: u32 rank, i32 sizes[8], u32 bytes, two unused u32
//   then, from a multiple of 16: for each vector, for each input, the data, padded to a multiple of 16
#pragma once

#include "base/span.h"

namespace etb::app {

struct Vectors {
    std::uint32_t count = 0;
    std::uint32_t inputs = 0;
    Bytes model_digest;

    // block: untrusted; `out` refers to it.
    static Status open(Bytes block, Vectors& out);

    [[nodiscard]] std::uint32_t rank(std::size_t input) const;
    [[nodiscard]] const std::int32_t* sizes(std::size_t input) const;
    [[nodiscard]] Bytes data(std::size_t vector, std::size_t input) const;

private:
    Bytes block_;
    std::size_t first_ = 0;   // offset of the data
    std::size_t stride_ = 0;  // bytes per vector

    [[nodiscard]] std::size_t padded(std::size_t input) const;
    [[nodiscard]] const std::uint8_t* row(std::size_t input) const { return block_.data + 56 + 48 * input; }
};

}  // namespace etb::app
