// The loop over blocks of OFM channels: buffers, decoded weights, channel scales.
#include "npu/blocks.h"

namespace etb::npu {
namespace {

Verdict allocate(Machine& machine, const Operation& operation, const BlockLayout& layout, Blocks& blocks) {
    ETB_ACCEPT(take(machine, layout.weights, blocks.weights));
    const bool narrow = operation.ifm.element == 1;
    ETB_ACCEPT(take(machine, narrow ? layout.inputs : 0, blocks.narrow));
    ETB_ACCEPT(take(machine, narrow ? 0 : layout.inputs, blocks.wide));
    ETB_ACCEPT(take(machine, narrow ? layout.narrow_sums : 0, blocks.narrow_sums));
    ETB_ACCEPT(take(machine, layout.sums, blocks.sums));
    ETB_ACCEPT(take(machine, layout.channels, blocks.scales));
    return take(machine, (operation.weight_order->state_bytes + 7) / 8, blocks.order);
}

// Adds the block's weights and zero weights to the counters. The buffer holds the block's weights and zero padding.
void count_weights(Operation& operation, const Blocks& blocks) {
    const std::uint64_t per_channel =
        static_cast<std::uint64_t>(operation.window.taps()) *
        static_cast<std::uint64_t>(operation.code == Op::conv ? operation.ifm.shape.depth : 1);
    const std::uint64_t all = per_channel * static_cast<std::uint64_t>(blocks.current.count);
    operation.counters.weights += all;
    operation.counters.zero_weights += all;
    for (const std::int16_t weight : blocks.weights) operation.counters.zero_weights -= weight != 0 ? 1 : 0;
}

}  // namespace

std::size_t block_channels(const Operation& operation) {
    const std::int32_t depth = operation.weights.block_depth, all = operation.out.depth;
    return static_cast<std::size_t>(depth < all ? depth : all);
}

Verdict for_each_block(Machine& machine, Operation& operation, const BlockLayout& layout,
                       void (*pixels)(Machine& machine, const Operation& operation, const Blocks& blocks)) {
    Blocks blocks;
    ETB_ACCEPT(plan_accumulators(machine, operation));
    ETB_ACCEPT(allocate(machine, operation, layout, blocks));
    if (machine.planning) return {};
    const WeightOrder& order = *operation.weight_order;
    ETB_ACCEPT(order.open(operation, blocks.order.data));
    for (std::int16_t& input : blocks.narrow) input = 0;
    for (std::int32_t& input : blocks.wide) input = 0;
    WeightBlock& block = blocks.current;
    block.data = blocks.weights.data;
    block.channel_stride = layout.channel_stride;
    block.tap_stride = layout.tap_stride;
    const auto depth = static_cast<std::int32_t>(layout.channels);
    for (; block.first < operation.out.depth; block.first += depth) {
        const std::int32_t left = operation.out.depth - block.first;
        block.count = left < depth ? left : depth;
        for (std::int16_t& weight : blocks.weights) weight = 0;
        ETB_ACCEPT(order.block(operation, blocks.order.data, block));
        if (operation.uses_scales) read_channel_scales(operation, block.first, block.count, blocks.scales.data);
        if (machine.observer) count_weights(operation, blocks);
        pixels(machine, operation, blocks);
    }
    return order.close(operation, blocks.order.data);
}

void finish_pixel(Machine& machine, const Operation& operation, const Blocks& blocks, std::int32_t y, std::int32_t x,
                  std::int64_t* sums) {
    finish_sums(machine, operation, {y, x, blocks.current.first, blocks.current.count}, sums,
                operation.uses_scales ? blocks.scales.data : nullptr);
}

}  // namespace etb::npu
