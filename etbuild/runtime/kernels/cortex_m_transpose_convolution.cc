// Quantised transposed convolution in two dimensions: cortex_m::quantized_transpose_conv2d and its variant "_nhwc",
// whose tensors are [N, H, W, C].
//   acc[n, o, y, x] = bias[o] + sum (in[n, c, iy, ix] + input_offset) weight[o, ky, kx, c]
//                     over all taps and positions with iy stride + ky dilation - pad = y, the same for x
//   out = clamp(requantize_o(acc) + output_offset)
// int8 with an int32 accumulator that wraps. `scratch` and `output_scratch` are not used. Equal to ExecuTorch's Python
// implementation as long as |acc| <= 2^24: it sums in float32. Tested by test_cortex_m_windows.py.
#include "kernels/feature_map.h"
#include "kernels/requantize.h"

namespace etb {
namespace {

struct Transposed {
    const Tensor& in_tensor;
    const Tensor& weight_tensor;
    const Tensor* bias_tensor;
    Tensor& out_tensor;
    FeatureMap in;
    FeatureMap out;
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

Status convolve(const Transposed& work, const ChannelScales& scales, const Finish& finish) {
    const FeatureMap& out = work.out;
    for (std::int32_t n = 0; n < out.batches; ++n)
        for (std::int32_t o = 0; o < out.channels; ++o) {
            Requantize requantize;
            ETB_TRY(scales.of(o, requantize));
            const std::int8_t* x = work.in_tensor.as<std::int8_t>() + n * work.in.batch_step;
            const std::int8_t* w = work.weight_tensor.as<std::int8_t>() + o * std::ptrdiff_t{work.weight_steps[0]};
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

// (input, weight [O, KH, KW, C], bias or None, stride, padding, output_padding, dilation, input_offset, output_offset,
// multipliers, shifts, activation_min, activation_max, scratch, output_scratch, out).
template <bool Nhwc>
Status convolution(Args& args) {
    const Tensor& in = args.tensor(0);
    const Tensor& weight = args.tensor(1);
    const Tensor* bias = args.optional_tensor(2);
    const Dims extra = args.integers(5);
    const std::int64_t input_offset = args.integer(7);
    const Finish finish{static_cast<std::int32_t>(args.integer(8)), args.integer(11), args.integer(12)};
    const ChannelScales scales{args.tensor(9), args.tensor(10)};
    Tensor& out = args.out(15);
    args.demand(in.dtype == DType::i8 && weight.dtype == DType::i8 && out.dtype == DType::i8 &&
                    (!bias || bias->dtype == DType::i32),
                "quantized convolution takes int8 and an int32 bias");
    args.demand(in.rank == 4 && weight.rank == 4 && out.rank == 4, "quantized convolution takes four dimensions");
    ETB_TRY(args.status);
    const FeatureMap map(in, Nhwc);
    const std::int32_t channels = weight.sizes[0];
    if (map.channels < 1 || weight.sizes[3] != map.channels ||
        (bias && bias->count() != static_cast<std::size_t>(channels)))
        return error(Code::mismatch, "quantized convolution: shapes do not fit together");
    ETB_TRY(scales.check(channels));
    Window windows[2];
    for (int d = 0; d < 2; ++d) windows[d].kernel = weight.sizes[1 + d];
    ETB_TRY(read_windows(args, 3, 6, map, windows));
    for (int d = 0; d < 2; ++d) {
        Window& window = windows[d];
        const std::int64_t size = std::int64_t{window.in - 1} * window.stride - 2 * std::int64_t{window.pad} +
                                  std::int64_t{window.dilation} * (window.kernel - 1) + of_side(args, extra, d) + 1;
        if (window.in < 1 || size < 1 || size > INT32_MAX)
            return error(Code::mismatch, "quantized convolution: nothing is left of a dimension");
        window.out = static_cast<std::int32_t>(size);
    }
    ETB_TRY(args.status);
    ETB_TRY(resize(out, feature_map_sizes(map.batches, channels, windows, Nhwc)));
    const Transposed work{in,
                          weight,
                          bias,
                          out,
                          map,
                          FeatureMap(out, Nhwc),
                          {windows[0], windows[1]},
                          static_cast<std::int32_t>(input_offset),
                          strides(weight)};
    return convolve(work, scales, finish);
}

}  // namespace

ETB_KERNEL(quantized_transpose_conv2d, "cortex_m::quantized_transpose_conv2d.out", convolution<false>);
ETB_KERNEL(quantized_transpose_conv2d_nhwc, "cortex_m::quantized_transpose_conv2d_nhwc.out", convolution<true>);

}  // namespace etb
