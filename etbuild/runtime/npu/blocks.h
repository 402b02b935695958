// Convolutions go block by block of OFM channels, as the NPU does: a block's weights are decoded once and used for
// every pixel. This is what CONV and DEPTHWISE share of it.
#pragma once

#include "npu/output.h"

namespace etb::npu {

// How a convolution lays out its buffers. Inputs of 8-bit maps are 16 bits wide, of others 32.
struct BlockLayout {
    std::size_t channels = 0;                        // of a block
    std::size_t weights = 0;                         // numbers of a block
    std::size_t inputs = 0;                          // numbers
    std::size_t sums = 0;                            // numbers
    std::size_t narrow_sums = 0;                     // numbers, for 8-bit maps only
    std::size_t channel_stride = 0, tap_stride = 0;  // of the weights
};

struct Blocks {
    Span<std::int16_t> weights;
    Span<std::int16_t> narrow;  // inputs of 8-bit maps, or none
    Span<std::int32_t> wide;    // inputs of other maps, or none
    Span<std::int64_t> sums;
    Span<std::int32_t> narrow_sums;
    Span<ChannelScale> scales;
    Span<std::uint64_t> order;  // state of the weight order
    WeightBlock current;
};

// Channels of a block of this operation.
std::size_t block_channels(const Operation& operation);

// Runs `pixels` for every block. pixels: all pixels of the output, for the channels of blocks.current.
Verdict for_each_block(Machine& machine, Operation& operation, const BlockLayout& layout,
                       void (*pixels)(Machine& machine, const Operation& operation, const Blocks& blocks));

// The sums of one pixel become results.
void finish_pixel(Machine& machine, const Operation& operation, const Blocks& blocks, std::int32_t y, std::int32_t x,
                  std::int64_t* sums);

}  // namespace etb::npu
