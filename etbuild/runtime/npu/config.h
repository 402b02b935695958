// The driver payload: the NPU that it was compiled for, and its command stream. etbuild/pte/driver_payload.py has the
// same format in Python.
//
// Payload: "COP1", then words of actions, by their low byte:
//   1  configuration: two words follow, CONFIG and ID
//   2  command stream: its length in words is byte 1 << 16 | upper half; it follows
//   5  nothing (padding)
// CONFIG: bits 0-3 log2 of the multipliers, 4-7 version of the command stream, 8-15 SHRAM KiB of all cores (Ethos-U55,
// U65), 28-31 product. ID: bits 28-31, 20-27 and 16-19 the architecture's version, 0-15 the product's.
#pragma once

#include "base/span.h"

namespace etb::npu {

enum class Product : std::uint8_t { ethos_u55, ethos_u65, ethos_u85 };

struct Config {
    std::uint32_t word = 0;
    Product product = Product::ethos_u55;
    int macs = 0;
    int cores = 1;                     // weight streams of one operation
    int ofm_microblock_depth = 8;      // Ethos-U55 and U65
    std::uint64_t tables_address = 0;  // in internal memory, of the lookup tables
    std::uint32_t tables_size = 0;     // bytes
};

struct Payload {
    Config config;
    std::uint32_t identity = 0;  // ID, of which a stream has the architecture's version
    Bytes stream;                // whole words
};

Status parse_payload(Bytes payload, Payload& out);

}  // namespace etb::npu
