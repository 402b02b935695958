// What one operation reads, writes and costs, for traces and for the hazard check. It is linked only if it is used.
#pragma once

#include "npu/operation.h"

namespace etb::npu {

enum class Operand : std::uint8_t { ifm, ifm2, weights, scales, indices, source, ofm, target };

// An access to contiguous bytes of a region.
struct Access {
    Operand operand = Operand::ifm;
    std::uint8_t region = 0;
    bool writes = false;
    std::int64_t address = 0;
    std::uint64_t size = 0;
};

// Calls `visit` for all bytes that the operation accesses: first reads, then writes; for a DMA, copy by copy. A byte
// may be visited more than once. Chain buffers and internal memory are not included.
void for_each_access(const Operation& operation, void* context, void (*visit)(void* context, const Access& access));

struct Effects {
    std::uint64_t bytes_read[8] = {}, bytes_written[8] = {};  // by region
    std::uint64_t elements = 0;                               // of the result
    std::int64_t min = 0, max = 0;                            // of the result as stored; 0 if there is none
};

// Call it in Observer::after: it reads the result from memory.
Effects measure(const Operation& operation);

// "CONV", "POOL AVERAGE", ...; never null.
const char* operation_name(const Operation& operation);

}  // namespace etb::npu
