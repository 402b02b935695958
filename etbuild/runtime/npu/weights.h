// Encoded weights, taken in block of OFM channels by block, in the order in which the NPU stores them.
#pragma once

#include "npu/machine.h"
#include "npu/mlw.h"

namespace etb::npu {

// Where a block's weights go: (channel of the block, tap, IFM channel) at channel * channel_stride + tap * tap_stride
// + IFM channel. All is zero before.
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

// One family's order of weights. state: state_bytes, aligned to 8, from open to close.
struct WeightOrder {
    std::size_t state_bytes;
    Verdict (*open)(const Operation& operation, void* state);
    Verdict (*block)(const Operation& operation, void* state, const WeightBlock& block);
    // Weights left over must be padding.
    Verdict (*close)(const Operation& operation, void* state);
};
extern const WeightOrder weight_order_u55, weight_order_u85;

// Channels [first, first + count).
void read_channel_scales(const Operation& operation, std::int32_t first, std::int32_t count, ChannelScale* out);

}  // namespace etb::npu
