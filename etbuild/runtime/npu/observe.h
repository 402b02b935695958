// What one operation reads, writes and costs, for traces and for the hazard check. Nothing here is linked into firmware
// that does not ask.
#pragma once

#include "npu/operation.h"

namespace etb::npu {

enum class Operand : std::uint8_t { ifm, ifm2, weights, scales, indices, source, ofm, target };

// Bytes of a region that lie side by side.
struct Access {
    Operand operand = Operand::ifm;
    std::uint8_t region = 0;
    bool writes = false;
    std::int64_t address = 0;
    std::uint64_t size = 0;
};

// Every byte that the operation touches, reads first; a byte may come more than once. Chain buffers and internal memory
// are not regions.
void for_each_access(const Operation& operation, void* context, void (*visit)(void* context, const Access& access));

struct Effects {
    std::uint64_t bytes_read[8] = {}, bytes_written[8] = {};  // by region
    std::uint64_t elements = 0;                               // of the result
    std::int64_t min = 0, max = 0;                            // of the result as stored; 0 and 0 where there is none
};

// Call it in Observer::after, while the result is still there.
Effects measure(const Operation& operation);

// "CONV", "POOL AVERAGE", ...; never null.
const char* operation_name(const Operation& operation);

}  // namespace etb::npu
