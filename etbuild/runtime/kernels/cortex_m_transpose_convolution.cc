// Quantised transposed convolution in two dimensions: cortex_m::quantized_transpose_conv2d and its variant "_nhwc",
// whose tensors are [N, H, W, C].
//   acc[n, o, y, x] = bias[o] + sum (in[n, c, iy, ix] + input_offset) weight[o, ky, kx, c]
//                     over all taps and positions with iy stride + ky dilation - pad = y, the same for x
//   out = clamp(requantize_o(acc) + output_offset)
// int8 with an int32 accumulator that wraps. `scratch` and `output_scratch` are not used. Equal to ExecuTorch's Python
// implementation as long as |acc| <= 2^24: it sums in float32. Tested by test_cortex_m_windows.py.
#include "kernels/cortex_m_convolution.h"

namespace etb {
namespace {

struct Transposed {
    FeatureMap in;
    Window windows[2];
    std::int32_t input_offset;
    Dims weight_steps;
};

// The input position whose tap k reaches output o; false where there is none.
bool source(const Window& window, std::int32_t o, std::int32_t k, std::ptrdiff_t& i) {
    const std::int64_t at = std::int64_t{o} + window.pad - std::int64_t{k} * window.dilation;
    if (at < 0 || at % window.stride || at / window.stride >= window.in) return false;
    i = static_cast<std::ptrdiff_t>(at / window.stride);
    return true;
}

std::uint32_t taps(const Transposed& work, const std::int8_t* x, const std::int8_t* w, std::int32_t oy,
                   std::int32_t ox) {
    std::uint32_t sum = 0;
    std::ptrdiff_t iy = 0;
    std::ptrdiff_t ix = 0;
    for (std::int32_t ky = 0; ky < work.windows[0].kernel; ++ky) {
        if (!source(work.windows[0], oy, ky, iy)) continue;
        for (std::int32_t kx = 0; kx < work.windows[1].kernel; ++kx)
            if (source(work.windows[1], ox, kx, ix))
                sum += products(x + iy * work.in.sides[0].step + ix * work.in.sides[1].step, work.in.channel_step,
                                work.input_offset, w + ky * work.weight_steps[1] + kx * work.weight_steps[2],
                                work.weight_steps[3], 0, work.in.channels);
    }
    return sum;
}

// (input, weight [O, KH, KW, C], bias or None, stride, padding, output_padding, dilation, input_offset, output_offset,
// multipliers, shifts, activation_min, activation_max, scratch, output_scratch, out).
template <bool Nhwc>
Status convolution(Args& args) {
    const auto operands = ConvolutionOperands::of(args, 7, 15);
    const Dims extra = args.integers(5);
    ETB_TRY(args.status);
    const Tensor& in = operands.in;
    const Tensor& weight = operands.weight;
    const FeatureMap map(in, Nhwc);
    const std::int32_t channels = weight.sizes[0];
    Window windows[2];
    ETB_TRY(operands.check(args, map.channels > 0 && weight.sizes[3] == map.channels, channels, map, 6, windows));
    for (int d = 0; d < 2; ++d) {
        Window& window = windows[d];
        const std::int64_t size = std::int64_t{window.in - 1} * window.stride - 2 * std::int64_t{window.pad} +
                                  std::int64_t{window.dilation} * (window.kernel - 1) + of_side(args, extra, d) + 1;
        if (window.in < 1 || size < 1 || size > INT32_MAX)
            return error(Code::mismatch, "quantized convolution: nothing is left of a dimension");
        window.out = static_cast<std::int32_t>(size);
    }
    ETB_TRY(args.status);
    ETB_TRY(resize(operands.out, feature_map_sizes(map.batches, channels, windows, Nhwc)));
    const Transposed work{map, {windows[0], windows[1]}, operands.input_offset, strides(weight)};
    return operands.convolve(Nhwc, [&](std::int32_t n, std::int32_t o) {
        const std::int8_t* x = in.as<std::int8_t>() + n * map.batch_step;
        const std::int8_t* w = weight.as<std::int8_t>() + o * std::ptrdiff_t{work.weight_steps[0]};
        return [&work, x, w](std::int32_t oy, std::int32_t ox) { return taps(work, x, w, oy, ox); };
    });
}

}  // namespace

ETB_KERNEL(quantized_transpose_conv2d, "cortex_m::quantized_transpose_conv2d.out", convolution<false>);
ETB_KERNEL(quantized_transpose_conv2d_nhwc, "cortex_m::quantized_transpose_conv2d_nhwc.out", convolution<true>);

}  // namespace etb
