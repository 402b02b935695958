// DEPTHWISE: out[y][x][c] = sum over ky, kx of (ifm[y*sy + ky*dy - top][x*sx + kx*dx - left][c] - zero point) * w[c][ky][kx],
// then bias, scale, zero point, clamp, table. out: [height, width, depth].
// source: TOSA 1.0 DEPTHWISE_CONV2D; pinned by the grid.
#include "npu/mac.h"
#include "npu/output.h"

namespace etb::npu {
namespace {

template <class In, class Sum>
struct Buffers {
    Span<std::int16_t> weights;  // [taps][block]
    Span<In> inputs;             // [block], one tap of one pixel
    Span<Sum> sums;              // [block]
    Span<std::int64_t> values;   // [block]
    Span<ChannelScale> scales;   // [block]
    Span<std::uint64_t> order_state;
    std::int32_t block = 0;
};

template <class In, class Sum>
Status allocate(Machine& machine, const Operation& operation, Buffers<In, Sum>& buffers) {
    const Weights& weights = operation.weights;
    buffers.block = weights.block_depth < operation.out.depth ? weights.block_depth : operation.out.depth;
    const auto block = static_cast<std::uint64_t>(buffers.block);
    ETB_TRY(machine.arena->array(block * static_cast<std::uint64_t>(operation.window.taps()), buffers.weights));
    ETB_TRY(machine.arena->array(block, buffers.inputs));
    ETB_TRY(machine.arena->array(block, buffers.sums));
    ETB_TRY(machine.arena->array(block, buffers.values));
    ETB_TRY(machine.arena->array(block, buffers.scales));
    return machine.arena->array((operation.weight_order->state_bytes + 7) / 8, buffers.order_state);
}

template <class In, class Sum>
void sum_taps(const Operation& operation, const Buffers<In, Sum>& buffers, const WeightBlock& block, std::int32_t y,
              std::int32_t x) {
    const Window& window = operation.window;
    for (std::int32_t c = 0; c < block.count; ++c) buffers.sums[static_cast<std::size_t>(c)] = 0;
    for (std::int32_t ky = 0; ky < window.kernel_height; ++ky) {
        std::int32_t row = 0, column = 0;
        if (!window.source_row(y, ky, row)) continue;
        for (std::int32_t kx = 0; kx < window.kernel_width; ++kx) {
            if (!window.source_column(x, kx, column)) continue;
            load_channels(operation.ifm, row, column, block.first, block.count, buffers.inputs.data);
            const auto tap = static_cast<std::size_t>(ky * window.kernel_width + kx);
            accumulate_products(buffers.inputs.data, block.data + tap * block.tap_stride, block.count,
                                buffers.sums.data);
        }
    }
}

template <class In, class Sum>
void convolve_block(Machine& machine, const Operation& operation, const Buffers<In, Sum>& buffers,
                    const WeightBlock& block) {
    const ChannelScale* const scales = operation.uses_scales ? buffers.scales.data : nullptr;
    for (std::int32_t y = 0; y < operation.out.height; ++y)
        for (std::int32_t x = 0; x < operation.out.width; ++x) {
            sum_taps(operation, buffers, block, y, x);
            for (std::int32_t c = 0; c < block.count; ++c)
                buffers.values[static_cast<std::size_t>(c)] = buffers.sums[static_cast<std::size_t>(c)];
            finish_sums(machine, operation, {y, x, block.first, block.count}, buffers.values.data, scales);
        }
}

template <class In, class Sum>
Status convolve(Machine& machine, Operation& operation) {
    Buffers<In, Sum> buffers;
    ETB_TRY(allocate(machine, operation, buffers));
    if (machine.planning) return {};
    ETB_TRY(operation.weight_order->open(operation, buffers.order_state.data));
    WeightBlock block;
    block.data = buffers.weights.data;
    block.channel_stride = 1;
    block.tap_stride = static_cast<std::size_t>(buffers.block);
    for (; block.first < operation.out.depth; block.first += buffers.block) {
        for (std::int16_t& weight : buffers.weights) weight = 0;
        const std::int32_t left = operation.out.depth - block.first;
        block.count = left < buffers.block ? left : buffers.block;
        ETB_TRY(operation.weight_order->block(operation, buffers.order_state.data, block));
        if (operation.uses_scales) read_channel_scales(operation, block.first, block.count, buffers.scales.data);
        convolve_block(machine, operation, buffers, block);
    }
    return operation.weight_order->close(operation, buffers.order_state.data);
}

}  // namespace

Status depthwise(Machine& machine, Operation& operation) {
    ETB_TRY(plan_accumulators(machine, operation));
    if (operation.ifm.element == 1) return convolve<std::int16_t, std::int32_t>(machine, operation);
    return convolve<std::int32_t, std::int64_t>(machine, operation);
}

}  // namespace etb::npu
