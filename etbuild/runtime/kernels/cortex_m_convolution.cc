// Quantised convolutions in two dimensions: cortex_m::quantized_conv2d and quantized_depthwise_conv2d, and the variants
// "_nhwc" whose tensors are [N, H, W, C].
//   acc[n, o, y, x] = bias[o] + sum_k,c (in[n, c, y stride + ky dilation - pad, ...] + input_offset) weight[o, ky, kx,
//   c] out = clamp(requantize_o(acc) + output_offset)
// int8 with an int32 accumulator that wraps; padding counts as real 0. `scratch` is not used. Equal to ExecuTorch's
// Python implementation, backends/cortex_m/ops/operators.py. Tested by test_cortex_m_windows.py.
#include "kernels/cortex_m_convolution.h"

namespace etb {
namespace {

struct Convolution {
    FeatureMap in;
    Window windows[2];
    std::int32_t input_offset;
    std::int32_t inputs;  // channels of the input that an output channel reads
    // Strides of the weights, in elements: along taps and input channels.
    std::ptrdiff_t tap_steps[2];
    std::ptrdiff_t weight_input;
};

// The sum of one output element's taps. x: batch and first channel. w: the output channel.
std::uint32_t taps(const Convolution& work, const std::int8_t* x, const std::int8_t* w, std::int32_t oy,
                   std::int32_t ox) {
    const Window& rows = work.windows[0];
    const Window& columns = work.windows[1];
    std::int32_t top = 0;
    std::int32_t bottom = 0;
    std::int32_t left = 0;
    std::int32_t right = 0;
    rows.inside(oy, top, bottom);
    columns.inside(ox, left, right);
    std::int32_t count = right - left;
    if (count <= 0) return 0;
    const std::ptrdiff_t tap = work.in.sides[1].step * columns.dilation;
    // The innermost loop is along channels, or along channels and columns together where they lie in one row.
    std::int32_t inner = work.inputs;
    std::ptrdiff_t x_step = work.in.channel_step;
    std::ptrdiff_t w_step = work.weight_input;
    if (inner == 1) {
        inner = count;
        count = 1;
        x_step = tap;
        w_step = work.tap_steps[1];
    } else if (tap == inner * x_step && work.tap_steps[1] == inner * w_step) {
        inner *= count;
        count = 1;
    }
    std::uint32_t sum = 0;
    x += static_cast<std::ptrdiff_t>(columns.start(ox)) * work.in.sides[1].step + left * tap;
    w += left * work.tap_steps[1];
    for (std::int32_t ky = top; ky < bottom; ++ky) {
        const std::int64_t iy = rows.start(oy) + std::int64_t{ky} * rows.dilation;
        const std::int8_t* row = x + static_cast<std::ptrdiff_t>(iy) * work.in.sides[0].step;
        const std::int8_t* line = w + ky * work.tap_steps[0];
        for (std::int32_t k = 0; k < count; ++k, row += tap, line += work.tap_steps[1])
            sum += products(row, x_step, work.input_offset, line, w_step, 0, inner);
    }
    return sum;
}

// (input, weight, bias or None, stride, padding, dilation[, depth_multiplier], input_offset, output_offset,
// multipliers, shifts, activation_min, activation_max, scratch, out). weight: [O, KH, KW, C / groups]; depthwise [1,
// KH, KW, O].
template <bool Depthwise, bool Nhwc>
Status convolution(Args& args) {
    const std::size_t at = Depthwise ? 7 : 6;
    const auto operands = ConvolutionOperands::of(args, at, at + 7);
    ETB_TRY(args.status);
    const Tensor& in = operands.in;
    const Tensor& weight = operands.weight;
    const FeatureMap map(in, Nhwc);
    const std::int32_t channels = weight.sizes[Depthwise ? 3 : 0];
    const std::int32_t inputs = Depthwise ? 1 : weight.sizes[3];
    const bool fits = inputs > 0 && map.channels > 0 && map.channels % inputs == 0 && channels > 0 &&
                      channels % (map.channels / inputs) == 0 && (!Depthwise || weight.sizes[0] == 1);
    Window windows[2];
    ETB_TRY(operands.check(args, fits, channels, map, 5, windows));
    for (Window& window : windows) {
        const std::int64_t reach = std::int64_t{window.dilation} * (window.kernel - 1) + 1;
        const std::int64_t room = std::int64_t{window.in} + 2 * std::int64_t{window.pad} - reach;
        if (room < 0) return error(Code::mismatch, "quantized convolution: nothing is left of a dimension");
        window.out = static_cast<std::int32_t>(room / window.stride + 1);
    }
    ETB_TRY(resize(operands.out, feature_map_sizes(map.batches, channels, windows, Nhwc)));
    const Dims steps = strides(weight);
    const std::int32_t outputs = channels / (map.channels / inputs);
    const Convolution work{map,    {windows[0], windows[1]}, operands.input_offset,
                           inputs, {steps[1], steps[2]},     Depthwise ? 0 : steps[3]};
    return operands.convolve(Nhwc, [&](std::int32_t n, std::int32_t o) {
        const std::int8_t* x = in.as<std::int8_t>() + n * map.batch_step + o / outputs * inputs * map.channel_step;
        const std::int8_t* w = weight.as<std::int8_t>() + o * std::ptrdiff_t{steps[Depthwise ? 3 : 0]};
        return [&work, x, w](std::int32_t oy, std::int32_t ox) { return taps(work, x, w, oy, ox); };
    });
}

}  // namespace

ETB_KERNEL(quantized_conv2d, "cortex_m::quantized_conv2d.out", convolution<false, false>);
ETB_KERNEL(quantized_conv2d_nhwc, "cortex_m::quantized_conv2d_nhwc.out", convolution<false, true>);
ETB_KERNEL(quantized_depthwise_conv2d, "cortex_m::quantized_depthwise_conv2d.out", convolution<true, false>);
ETB_KERNEL(quantized_depthwise_conv2d_nhwc, "cortex_m::quantized_depthwise_conv2d_nhwc.out", convolution<true, true>);

}  // namespace etb
