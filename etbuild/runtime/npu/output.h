// The output stage of every operation: accumulators, bias, scale, zero point, clamp, table, store.
#pragma once

#include "npu/machine.h"
#include "npu/weights.h"

namespace etb::npu {

// Channels [first, first + count) of output pixel (y, x).
struct OutputRun {
    std::int32_t y = 0, x = 0;
    std::int32_t first = 0, count = 0;
};

// Accumulates, scales and stores sums. scales: of these channels, or null for operation.scale. values is overwritten.
void finish_sums(Machine& machine, const Operation& operation, const OutputRun& run, std::int64_t* values,
                 const ChannelScale* scales);

// Applies zero point, clamp and table to scaled values, and stores them. values is overwritten.
void finish_scaled(const Machine& machine, const Operation& operation, const OutputRun& run, std::int64_t* values);

// Checks the operation's use of kept accumulators and records the size that they need. Only acts while planning.
Verdict plan_accumulators(Machine& machine, const Operation& operation);

}  // namespace etb::npu
