// The test vectors that are linked in as one block, made by etbuild/steps/firmware.py:
//
//   0   "ETBV"                     16  u32 CRC-32 of everything from byte 24
//   4   u32 version, 1             20  u32 bytes of the whole block
//   8   u32 vectors                24  SHA-256 of the model that they are for
//   12  u32 inputs of each         56  per input, 48 bytes: u32 rank, i32 sizes[8], u32 bytes, two unused
//   then, at a multiple of 16, vector after vector, input after input, each padded to a multiple of 16
#pragma once

#include "base/span.h"

namespace etb::app {

struct Vectors {
    std::uint32_t count = 0;
    std::uint32_t inputs = 0;
    Bytes model_digest;

    // block: untrusted; kept by reference.
    static Status open(Bytes block, Vectors& out);

    [[nodiscard]] std::uint32_t rank(std::size_t input) const;
    [[nodiscard]] const std::int32_t* sizes(std::size_t input) const;
    [[nodiscard]] Bytes data(std::size_t vector, std::size_t input) const;

private:
    Bytes block_;
    std::size_t first_ = 0;   // where the data begins
    std::size_t stride_ = 0;  // bytes of one vector

    [[nodiscard]] std::size_t padded(std::size_t input) const;
    [[nodiscard]] const std::uint8_t* row(std::size_t input) const { return block_.data + 56 + 48 * input; }
};

}  // namespace etb::app
