// CONV: out[y][x][o] = sum over ky, kx, i of (ifm[y*sy + ky*dy - top][x*sx + kx*dx - left][i] - zero point) * w[o][ky][kx][i],
// then bias, scale, zero point, clamp, table.
// out: [height, width, ofm depth]; padding and the zeros between upscaled elements contribute nothing.
// Weights are decoded for one block of OFM channels at a time, as the NPU does, and used for every pixel.
// source: TOSA 1.0 CONV2D; the order of weights is pinned by the grid, pad corners by tests/npu/streams/padding.toml.
#include "npu/mac.h"
#include "npu/output.h"

namespace etb::npu {
namespace {

// In: the input less its zero point (16 bits for 8-bit maps). Sum: the accumulator.
template <class In, class Sum>
struct Buffers {
    Span<std::int16_t> weights;       // [block][length]
    Span<In> patches;                 // [mac_pixels][length]
    Span<Sum> sums;                   // [mac_pixels][block]
    Span<std::int64_t> values;        // [block]
    Span<ChannelScale> scales;        // [block]
    Span<std::uint64_t> order_state;  // of the weight order
    std::size_t length = 0;           // taps * IFM depth, rounded up
    std::int32_t block = 0;           // OFM channels
};

template <class In, class Sum>
Status allocate(Machine& machine, const Operation& operation, Buffers<In, Sum>& buffers) {
    const Weights& weights = operation.weights;
    const std::uint64_t length = static_cast<std::uint64_t>(operation.window.taps()) *
                                 static_cast<std::uint64_t>(operation.ifm.shape.depth);
    buffers.length = static_cast<std::size_t>((length + mac_step - 1) / mac_step * mac_step);
    buffers.block = weights.block_depth < operation.out.depth ? weights.block_depth : operation.out.depth;
    const auto block = static_cast<std::uint64_t>(buffers.block);
    if (length > SIZE_MAX / 64 / (block + mac_pixels)) return error(Code::no_memory, "weights are too many");
    ETB_TRY(machine.arena->array(block * buffers.length, buffers.weights));
    ETB_TRY(machine.arena->array(mac_pixels * buffers.length, buffers.patches));
    ETB_TRY(machine.arena->array(mac_pixels * block, buffers.sums));
    ETB_TRY(machine.arena->array(block, buffers.values));
    ETB_TRY(machine.arena->array(block, buffers.scales));
    return machine.arena->array((operation.weight_order->state_bytes + 7) / 8, buffers.order_state);
}

// The inputs of one output pixel, [taps][IFM depth].
template <class In>
void gather(const Operation& operation, std::int32_t y, std::int32_t x, In* patch) {
    const Window& window = operation.window;
    const std::int32_t depth = operation.ifm.shape.depth;
    for (std::int32_t ky = 0; ky < window.kernel_height; ++ky) {
        std::int32_t row = 0, column = 0;
        const bool inside = window.source_row(y, ky, row);
        for (std::int32_t kx = 0; kx < window.kernel_width; ++kx, patch += depth) {
            if (inside && window.source_column(x, kx, column))
                load_channels(operation.ifm, row, column, 0, depth, patch);
            else
                for (std::int32_t c = 0; c < depth; ++c) patch[c] = 0;
        }
    }
}

void count_zeros(Operation& operation, const WeightBlock& block) {
    const std::int32_t taps = operation.window.taps(), depth = operation.ifm.shape.depth;
    for (std::int32_t o = 0; o < block.count; ++o)
        for (std::int32_t i = 0; i < taps * depth; ++i)
            operation.counters.zero_weights += block.data[static_cast<std::size_t>(o) * block.channel_stride +
                                                          static_cast<std::size_t>(i)] == 0
                                                   ? 1
                                                   : 0;
    operation.counters.weights += static_cast<std::uint64_t>(block.count) * static_cast<std::uint64_t>(taps * depth);
}

template <class In, class Sum>
Status decode_block(Machine& machine, Operation& operation, const Buffers<In, Sum>& buffers, std::int32_t first,
                    WeightBlock& block) {
    for (std::int16_t& weight : buffers.weights) weight = 0;
    block.data = buffers.weights.data;
    block.channel_stride = buffers.length;
    block.tap_stride = static_cast<std::size_t>(operation.ifm.shape.depth);
    block.first = first;
    block.count = operation.out.depth - first < buffers.block ? operation.out.depth - first : buffers.block;
    ETB_TRY(operation.weight_order->block(operation, buffers.order_state.data, block));
    if (operation.uses_scales) read_channel_scales(operation, first, block.count, buffers.scales.data);
    if (machine.observer) count_zeros(operation, block);
    return {};
}

template <class In, class Sum>
void convolve_block(Machine& machine, const Operation& operation, const Buffers<In, Sum>& buffers,
                    const WeightBlock& block) {
    const Shape& out = operation.out;
    const ChannelScale* const scales = operation.uses_scales ? buffers.scales.data : nullptr;
    for (std::int32_t y = 0; y < out.height; ++y)
        for (std::int32_t x = 0; x < out.width; x += mac_pixels) {
            const std::int32_t pixels = out.width - x < mac_pixels ? out.width - x : mac_pixels;
            for (std::int32_t p = 0; p < pixels; ++p)
                gather(operation, y, x + p, buffers.patches.data + static_cast<std::size_t>(p) * buffers.length);
            multiply(buffers.patches.data, buffers.weights.data, buffers.length, block.count, buffers.sums.data);
            for (std::int32_t p = 0; p < pixels; ++p) {
                const Sum* const sums = buffers.sums.data + static_cast<std::size_t>(p * block.count);
                for (std::int32_t c = 0; c < block.count; ++c) buffers.values[static_cast<std::size_t>(c)] = sums[c];
                finish_sums(machine, operation, {y, x + p, block.first, block.count}, buffers.values.data, scales);
            }
        }
}

template <class In, class Sum>
Status convolve(Machine& machine, Operation& operation) {
    Buffers<In, Sum> buffers;
    ETB_TRY(allocate(machine, operation, buffers));
    if (machine.planning) return {};
    for (In& input : buffers.patches) input = 0;
    ETB_TRY(operation.weight_order->open(operation, buffers.order_state.data));
    for (std::int32_t first = 0; first < operation.out.depth; first += buffers.block) {
        WeightBlock block;
        ETB_TRY(decode_block(machine, operation, buffers, first, block));
        convolve_block(machine, operation, buffers, block);
    }
    return operation.weight_order->close(operation, buffers.order_state.data);
}

}  // namespace

Status convolution(Machine& machine, Operation& operation) {
    ETB_TRY(plan_accumulators(machine, operation));
    if (operation.ifm.element == 1) return convolve<std::int16_t, std::int32_t>(machine, operation);
    return convolve<std::int32_t, std::int64_t>(machine, operation);
}

}  // namespace etb::npu
