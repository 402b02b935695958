// DEPTHWISE: out[y][x][c] = sum over ky, kx of (ifm[y*sy + ky*dy - top][x*sx + kx*dx - left][c] - zero point) *
// w[c][ky][kx], then bias, scale, zero point, clamp, table. out: [height, width, depth].
// source: TOSA 1.0 DEPTHWISE_CONV2D. Tested by tests/npu/grid.py.
#include "npu/blocks.h"
#include "npu/mac.h"

namespace etb::npu {
namespace {

// The sums of one output pixel for the channels of the block.
template <class In, class Sum>
void sum_taps(const Operation& operation, const Blocks& blocks, std::int32_t y, std::int32_t x, In* inputs, Sum* sums) {
    const Window& window = operation.window;
    const WeightBlock& block = blocks.current;
    const auto channels = static_cast<std::size_t>(block.count);
    for (std::size_t c = 0; c < channels; ++c) sums[c] = 0;
    for (std::int32_t ky = 0; ky < window.kernel_height; ++ky) {
        std::int32_t row = 0, column = 0;
        if (!window.source_row(y, ky, row)) continue;
        for (std::int32_t kx = 0; kx < window.kernel_width; ++kx) {
            if (!window.source_column(x, kx, column)) continue;
            load_channels(operation.ifm, row, column, block.first, block.count, inputs);
            const auto tap = static_cast<std::size_t>(ky * window.kernel_width + kx);
            accumulate_products(inputs, block.data + tap * block.tap_stride, channels, sums);
        }
    }
}

void convolve_pixels(Machine& machine, const Operation& operation, const Blocks& blocks) {
    const auto channels = static_cast<std::size_t>(blocks.current.count);
    for (std::int32_t y = 0; y < operation.out.height; ++y)
        for (std::int32_t x = 0; x < operation.out.width; ++x) {
            if (blocks.narrow.empty()) {
                sum_taps(operation, blocks, y, x, blocks.wide.data, blocks.sums.data);
            } else {
                sum_taps(operation, blocks, y, x, blocks.narrow.data, blocks.narrow_sums.data);
                for (std::size_t c = 0; c < channels; ++c) blocks.sums[c] = blocks.narrow_sums[c];
            }
            finish_pixel(machine, operation, blocks, y, x, blocks.sums.data);
        }
}

}  // namespace

Verdict depthwise(Machine& machine, Operation& operation) {
    const auto taps = static_cast<std::size_t>(operation.window.taps());
    BlockLayout layout;
    layout.channels = block_channels(operation);
    if (taps > SIZE_MAX / 64 / layout.channels) return ETB_REFUSE(no_memory, "weights are too many");
    layout.channel_stride = 1;
    layout.tap_stride = layout.channels;
    layout.weights = layout.channels * taps;
    layout.inputs = layout.sums = layout.narrow_sums = layout.channels;
    return for_each_block(machine, operation, layout, convolve_pixels);
}

}  // namespace etb::npu
