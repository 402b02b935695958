// Decoding of weights, one block of OFM channels at a time, in the order in which Vela stores them for the NPU.
#pragma once

#include "npu/machine.h"
#include "npu/mlw.h"

namespace etb::npu {

// The destination of a block's weights: weight (channel of the block, tap, IFM channel) is stored at
// channel * channel_stride + tap * tap_stride + IFM channel. The buffer is zeroed before.
struct WeightBlock {
    std::int16_t* data = nullptr;
    std::size_t channel_stride = 0, tap_stride = 0;
    std::int32_t first = 0, count = 0;  // OFM channels
};

// Bias and scale of one OFM channel.
struct ChannelScale {
    std::int64_t bias = 0;
    Scale scale;
};

// The weight order of one family. state: state_bytes of memory, 8-byte aligned, in use from open to close.
struct WeightOrder {
    std::size_t state_bytes;
    Verdict (*open)(const Operation& operation, void* state);
    Verdict (*block)(const Operation& operation, void* state, const WeightBlock& block);
    // Checks that any remaining weights are zero (padding).
    Verdict (*close)(const Operation& operation, void* state);
};
extern const WeightOrder weight_order_u55, weight_order_u85;

// Reads the records of OFM channels [first, first + count).
void read_channel_scales(const Operation& operation, std::int32_t first, std::int32_t count, ChannelScale* out);

}  // namespace etb::npu
