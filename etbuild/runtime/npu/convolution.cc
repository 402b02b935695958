// CONV: out[y][x][o] = sum over ky, kx, i of (ifm[y*sy + ky*dy - top][x*sx + kx*dx - left][i] - zero point) *
// w[o][ky][kx][i], then bias, scale, zero point, clamp, table. out: [height, width, ofm depth]. Padding and the zeros
// inserted by upscaling contribute nothing.
// source: TOSA 1.0 CONV2D. Tested by tests/npu/grid.py (order of weights) and tests/npu/streams/padding.toml.
#include "npu/blocks.h"
#include "npu/mac.h"

namespace etb::npu {
namespace {

// Loads the inputs of one output pixel (im2col), [taps][IFM depth].
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

void convolve_pixels(Machine& machine, const Operation& operation, const Blocks& blocks) {
    const Shape& out = operation.out;
    const bool narrow = !blocks.narrow.empty();
    const std::size_t length = blocks.current.channel_stride;
    const auto channels = static_cast<std::size_t>(blocks.current.count);
    constexpr auto step = static_cast<std::int32_t>(mac_pixels);
    for (std::int32_t y = 0; y < out.height; ++y)
        for (std::int32_t x = 0; x < out.width; x += step) {
            const auto pixels = static_cast<std::size_t>(out.width - x < step ? out.width - x : step);
            for (std::size_t p = 0; p < pixels; ++p) {
                const std::int32_t column = x + static_cast<std::int32_t>(p);
                if (narrow)
                    gather(operation, y, column, blocks.narrow.data + p * length);
                else
                    gather(operation, y, column, blocks.wide.data + p * length);
            }
            if (narrow)
                multiply(blocks.narrow.data, blocks.weights.data, length, channels, blocks.sums.data);
            else
                multiply(blocks.wide.data, blocks.weights.data, length, channels, blocks.sums.data);
            for (std::size_t p = 0; p < pixels; ++p)
                finish_pixel(machine, operation, blocks, y, x + static_cast<std::int32_t>(p),
                             blocks.sums.data + p * channels);
        }
}

}  // namespace

Verdict convolution(Machine& machine, Operation& operation) {
    const std::uint64_t length =
        static_cast<std::uint64_t>(operation.window.taps()) * static_cast<std::uint64_t>(operation.ifm.shape.depth);
    BlockLayout layout;
    layout.channels = block_channels(operation);
    if (length > SIZE_MAX / 64 / (layout.channels + mac_pixels)) return ETB_REFUSE(no_memory, "weights are too many");
    layout.channel_stride = (static_cast<std::size_t>(length) + mac_step - 1) / mac_step * mac_step;
    layout.tap_stride = static_cast<std::size_t>(operation.ifm.shape.depth);
    layout.weights = layout.channels * layout.channel_stride;
    layout.inputs = mac_pixels * layout.channel_stride;
    layout.sums = mac_pixels * layout.channels;
    return for_each_block(machine, operation, layout, convolve_pixels);
}

}  // namespace etb::npu
