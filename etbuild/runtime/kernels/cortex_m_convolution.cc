// Quantised convolutions in two dimensions: cortex_m::quantized_conv2d and quantized_depthwise_conv2d, and the variants
// "_nhwc" whose tensors are [N, H, W, C].
//   acc[n, o, y, x] = bias[o] + sum_k,c (in[n, c, y stride + ky dilation - pad, ...] + input_offset) weight[o, ky, kx,
//   c] out = clamp(requantize_o(acc) + output_offset)
// int8 with an int32 accumulator that wraps; padding counts as real 0. `scratch` is not used. Equal to ExecuTorch's
// Python implementation, backends/cortex_m/ops/operators.py. Tested by test_cortex_m_windows.py.
#include "kernels/feature_map.h"
#include "kernels/requantize.h"

namespace etb {
namespace {

struct Convolution {
    const Tensor& in_tensor;
    const Tensor& weight_tensor;
    const Tensor* bias_tensor;
    Tensor& out_tensor;
    FeatureMap in;
    FeatureMap out;
    Window windows[2];
    std::int32_t input_offset;
    std::int32_t inputs;   // channels of the input that an output channel reads
    std::int32_t outputs;  // output channels that read the same ones
    // Strides of the weights, in elements: along taps, input channels and output channels.
    std::ptrdiff_t tap_steps[2];
    std::ptrdiff_t weight_input;
    std::ptrdiff_t weight_output;
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

Status convolve(const Convolution& work, const ChannelScales& scales, const Finish& finish) {
    const FeatureMap& out = work.out;
    for (std::int32_t n = 0; n < out.batches; ++n)
        for (std::int32_t o = 0; o < out.channels; ++o) {
            Requantize requantize;
            ETB_TRY(scales.of(o, requantize));
            const std::int8_t* x = work.in_tensor.as<std::int8_t>() + n * work.in.batch_step +
                                   o / work.outputs * work.inputs * work.in.channel_step;
            const std::int8_t* w = work.weight_tensor.as<std::int8_t>() + o * work.weight_output;
            std::int8_t* y = work.out_tensor.as<std::int8_t>() + n * out.batch_step + o * out.channel_step;
            const std::int32_t bias = work.bias_tensor ? work.bias_tensor->as<std::int32_t>()[o] : 0;
            for (std::int32_t oy = 0; oy < out.sides[0].size; ++oy)
                for (std::int32_t ox = 0; ox < out.sides[1].size; ++ox) {
                    const std::uint32_t sum = static_cast<std::uint32_t>(bias) + taps(work, x, w, oy, ox);
                    y[oy * out.sides[0].step + ox * out.sides[1].step] =
                        finish(requantize(static_cast<std::int32_t>(sum)));
                }
        }
    return {};
}

// (input, weight, bias or None, stride, padding, dilation[, depth_multiplier], input_offset, output_offset,
// multipliers, shifts, activation_min, activation_max, scratch, out). weight: [O, KH, KW, C / groups]; depthwise [1,
// KH, KW, O].
template <bool Depthwise, bool Nhwc>
Status convolution(Args& args) {
    const Tensor& in = args.tensor(0);
    const Tensor& weight = args.tensor(1);
    const Tensor* bias = args.optional_tensor(2);
    const std::size_t at = Depthwise ? 7 : 6;
    const std::int64_t input_offset = args.integer(at);
    const Finish finish{static_cast<std::int32_t>(args.integer(at + 1)), args.integer(at + 4), args.integer(at + 5)};
    const ChannelScales scales{args.tensor(at + 2), args.tensor(at + 3)};
    Tensor& out = args.out(at + 7);
    args.demand(in.dtype == DType::i8 && weight.dtype == DType::i8 && out.dtype == DType::i8 &&
                    (!bias || bias->dtype == DType::i32),
                "quantized convolution takes int8 and an int32 bias");
    args.demand(in.rank == 4 && weight.rank == 4 && out.rank == 4, "quantized convolution takes four dimensions");
    ETB_TRY(args.status);
    const FeatureMap map(in, Nhwc);
    const std::int32_t channels = weight.sizes[Depthwise ? 3 : 0];
    const std::int32_t inputs = Depthwise ? 1 : weight.sizes[3];
    if (inputs < 1 || map.channels < 1 || map.channels % inputs || channels < 1 || channels % (map.channels / inputs) ||
        (Depthwise && weight.sizes[0] != 1) || (bias && bias->count() != static_cast<std::size_t>(channels)))
        return error(Code::mismatch, "quantized convolution: shapes do not fit together");
    ETB_TRY(scales.check(channels));
    Window windows[2];
    for (int d = 0; d < 2; ++d) windows[d].kernel = weight.sizes[1 + d];
    ETB_TRY(read_windows(args, 3, 5, map, windows));
    for (Window& window : windows) {
        const std::int64_t reach = std::int64_t{window.dilation} * (window.kernel - 1) + 1;
        const std::int64_t room = std::int64_t{window.in} + 2 * std::int64_t{window.pad} - reach;
        if (room < 0) return error(Code::mismatch, "quantized convolution: nothing is left of a dimension");
        window.out = static_cast<std::int32_t>(room / window.stride + 1);
    }
    ETB_TRY(resize(out, feature_map_sizes(map.batches, channels, windows, Nhwc)));
    const Dims steps = strides(weight);
    const Convolution work{in,
                           weight,
                           bias,
                           out,
                           map,
                           FeatureMap(out, Nhwc),
                           {windows[0], windows[1]},
                           static_cast<std::int32_t>(input_offset),
                           inputs,
                           channels / (map.channels / inputs),
                           {steps[1], steps[2]},
                           Depthwise ? 0 : steps[3],
                           steps[Depthwise ? 3 : 0]};
    return convolve(work, scales, finish);
}

}  // namespace

ETB_KERNEL(quantized_conv2d, "cortex_m::quantized_conv2d.out", convolution<false, false>);
ETB_KERNEL(quantized_conv2d_nhwc, "cortex_m::quantized_conv2d_nhwc.out", convolution<false, true>);
ETB_KERNEL(quantized_depthwise_conv2d, "cortex_m::quantized_depthwise_conv2d.out", convolution<true, false>);
ETB_KERNEL(quantized_depthwise_conv2d_nhwc, "cortex_m::quantized_depthwise_conv2d_nhwc.out", convolution<true, true>);

}  // namespace etb
