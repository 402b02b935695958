// The part that CONV and DEPTHWISE share: the loop over blocks of OFM channels. As on the NPU, the weights of a block
// are decoded once and used for every pixel.
#pragma once

#include "npu/output.h"

namespace etb::npu {

// Sizes and strides of a convolution's buffers, in elements. Inputs of 8-bit maps are widened to 16 bits, others to 32.
struct BlockLayout {
    std::size_t channels = 0;  // per block
    std::size_t weights = 0;   // per block
    std::size_t inputs = 0;
    std::size_t sums = 0;
    std::size_t narrow_sums = 0;                     // for 8-bit maps only
    std::size_t channel_stride = 0, tap_stride = 0;  // of the weights
};

// The buffers, and the current block.
struct Blocks {
    Span<std::int16_t> weights;
    Span<std::int16_t> narrow;  // inputs of 8-bit maps, else empty
    Span<std::int32_t> wide;    // inputs of other maps, else empty
    Span<std::int64_t> sums;
    Span<std::int32_t> narrow_sums;
    Span<ChannelScale> scales;
    Span<std::uint64_t> order;  // state of the weight decoder (WeightOrder)
    WeightBlock current;
};

// OFM channels per block.
std::size_t block_channels(const Operation& operation);

// Decodes each block and calls `pixels` for it, which computes all output pixels for the channels of blocks.current.
Verdict for_each_block(Machine& machine, Operation& operation, const BlockLayout& layout,
                       void (*pixels)(Machine& machine, const Operation& operation, const Blocks& blocks));

// Passes the sums of one pixel to the output stage (npu/output.h).
void finish_pixel(Machine& machine, const Operation& operation, const Blocks& blocks, std::int32_t y, std::int32_t x,
                  std::int64_t* sums);

}  // namespace etb::npu
