// Quantised pooling: cortex_m::quantized_avg_pool2d and quantized_max_pool2d, and the variants "_nhwc" whose tensors
// are [N, H, W, C]. int8; the input and the output have one scale and zero point.
//
// The mean is the one of ExecuTorch's Python implementation: values are made real with the scale multiplier 2^shift /
// 2^31, summed in float32, divided by the number of elements in the window and made integers again, ties to even.
// `scratch` is not used. Tested by test_cortex_m_windows.py.
#include <cmath>

#include "kernels/feature_map.h"
#include "kernels/requantize.h"

namespace etb {
namespace {

// A pool over one tensor. ceil: the last window may extend beyond the input, but must start inside it or its leading
// padding; source: PyTorch's pooling_output_shape.
struct Pool {
    const Tensor& in_tensor;
    Tensor& out_tensor;
    FeatureMap in;
    Window windows[2];

    Status place(Args& args, std::size_t dilation_at, bool ceil, bool nhwc) {
        const Dims kernel = args.integers(1);
        for (int d = 0; d < 2; ++d) windows[d].kernel = of_side(args, kernel, d);
        ETB_TRY(read_windows(args, 2, dilation_at, in, windows));
        for (Window& window : windows) {
            if (window.pad > window.kernel / 2 || window.dilation != 1)
                return error(Code::mismatch, "pooling: wrong padding or dilation");
            const std::int64_t room = std::int64_t{window.in} + 2 * std::int64_t{window.pad} - window.kernel;
            std::int64_t count = room < 0 ? 0 : (room + (ceil ? window.stride - 1 : 0)) / window.stride + 1;
            if (room < 0 && ceil && room + window.stride > 0) count = 1;
            if (count > 1 && ceil && (count - 1) * window.stride >= std::int64_t{window.in} + window.pad) --count;
            if (count < 1) return error(Code::mismatch, "pooling: no window fits");
            window.out = static_cast<std::int32_t>(count);
        }
        return resize(out_tensor, feature_map_sizes(in.batches, in.channels, windows, nhwc));
    }
};

// Calls `reduce(x, rows, columns)` for each output element, with its plane of the input and the ends of its window
// {first, end}, and stores the result.
template <class Reduce>
void for_windows(const Pool& pool, bool nhwc, Reduce reduce) {
    const FeatureMap out(pool.out_tensor, nhwc);
    for (std::int32_t n = 0; n < out.batches; ++n)
        for (std::int32_t c = 0; c < out.channels; ++c) {
            const std::int8_t* x = pool.in_tensor.as<std::int8_t>() + n * pool.in.batch_step + c * pool.in.channel_step;
            std::int8_t* y = pool.out_tensor.as<std::int8_t>() + n * out.batch_step + c * out.channel_step;
            for (std::int32_t oy = 0; oy < out.sides[0].size; ++oy)
                for (std::int32_t ox = 0; ox < out.sides[1].size; ++ox) {
                    std::int32_t ends[2][2];
                    for (int d = 0; d < 2; ++d) {
                        pool.windows[d].inside(d ? ox : oy, ends[d][0], ends[d][1]);
                        const auto start = static_cast<std::int32_t>(pool.windows[d].start(d ? ox : oy));
                        ends[d][0] += start;
                        ends[d][1] += start;
                    }
                    y[oy * out.sides[0].step + ox * out.sides[1].step] = reduce(x, ends[0], ends[1]);
                }
        }
}

// (input, kernel, stride, padding, ceil_mode, zero_point, multiplier, shift, scratch, out).
template <bool Nhwc>
Status average(Args& args) {
    const Tensor& in = args.tensor(0);
    const bool ceil = args.boolean(4);
    const auto zero = static_cast<float>(args.integer(5));
    const std::int64_t shift = args.integer(7);
    const auto multiplier = static_cast<float>(args.integer(6));
    Tensor& out = args.out(9);
    args.demand(in.dtype == DType::i8 && out.dtype == DType::i8 && in.rank == 4 && out.rank == 4,
                "quantized pooling takes four dimensions of int8");
    args.demand(shift >= -1000 && shift <= 1000, "quantized pooling: shift out of range");
    ETB_TRY(args.status);
    Pool pool{in, out, FeatureMap(in, Nhwc), {}};
    ETB_TRY(pool.place(args, 0, ceil, Nhwc));
    const float scale = std::ldexp(multiplier, static_cast<int>(shift) - 31);
    for_windows(pool, Nhwc, [&](const std::int8_t* x, const std::int32_t* rows, const std::int32_t* columns) {
        float sum = 0;
        for (std::ptrdiff_t iy = rows[0]; iy < rows[1]; ++iy)
            for (std::ptrdiff_t ix = columns[0]; ix < columns[1]; ++ix)
                sum += (static_cast<float>(x[iy * pool.in.sides[0].step + ix * pool.in.sides[1].step]) - zero) * scale;
        const auto count = static_cast<float>(std::int64_t{rows[1] - rows[0]} * (columns[1] - columns[0]));
        const float mean = std::nearbyint((count > 0 ? sum / count : 0) / scale) + zero;
        return static_cast<std::int8_t>(!(mean > -128) ? -128 : mean > 127 ? 127 : static_cast<std::int32_t>(mean));
    });
    return {};
}

// (input, kernel, stride, padding, dilation, ceil_mode, input_zero_point, output_zero_point, activation_min,
// activation_max, out). Padding never wins.
template <bool Nhwc>
Status maximum(Args& args) {
    const Tensor& in = args.tensor(0);
    args.demand(!args.boolean(5) && args.integer(6) == args.integer(7),
                "quantized max pooling: ceil_mode, or another zero point of the output");
    const Finish finish{0, args.integer(8), args.integer(9)};
    Tensor& out = args.out(10);
    args.demand(in.dtype == DType::i8 && out.dtype == DType::i8 && in.rank == 4 && out.rank == 4,
                "quantized pooling takes four dimensions of int8");
    ETB_TRY(args.status);
    Pool pool{in, out, FeatureMap(in, Nhwc), {}};
    ETB_TRY(pool.place(args, 4, false, Nhwc));
    for_windows(pool, Nhwc, [&](const std::int8_t* x, const std::int32_t* rows, const std::int32_t* columns) {
        std::int32_t best = -128;
        for (std::ptrdiff_t iy = rows[0]; iy < rows[1]; ++iy)
            for (std::ptrdiff_t ix = columns[0]; ix < columns[1]; ++ix) {
                const std::int32_t q = x[iy * pool.in.sides[0].step + ix * pool.in.sides[1].step];
                if (q > best) best = q;
            }
        return finish(best);
    });
    return {};
}

}  // namespace

ETB_KERNEL(quantized_avg_pool2d, "cortex_m::quantized_avg_pool2d.out", average<false>);
ETB_KERNEL(quantized_avg_pool2d_nhwc, "cortex_m::quantized_avg_pool2d_nhwc.out", average<true>);
ETB_KERNEL(quantized_max_pool2d, "cortex_m::quantized_max_pool2d.out", maximum<false>);
ETB_KERNEL(quantized_max_pool2d_nhwc, "cortex_m::quantized_max_pool2d_nhwc.out", maximum<true>);

}  // namespace etb
