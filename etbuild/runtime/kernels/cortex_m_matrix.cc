// Products of quantised matrices: cortex_m::quantized_linear and quantized_batch_matmul.
//   out = clamp(requantize(acc) + output_offset)
// int8 with an int32 accumulator that wraps. Offsets are zero points with their sign changed. Equal to ExecuTorch's
// Python implementation; that of quantized_batch_matmul sums in float32, so as long as |acc| <= 2^24. `scratch` is not
// used. Tested by test_cortex_m.py.
#include "kernels/requantize.h"
#include "kernels/walk.h"

namespace etb {
namespace {

// quantized_linear(input [..., I], weights [O, I], bias [O] or None, kernel_sum [O] or None, input_offset,
// filter_offset, output_offset, multipliers, shifts, activation_max, activation_min, out [..., O]).
//   with kernel_sum: acc = sum_i x_i (w_i + filter_offset) + kernel_sum; bias and input_offset are in kernel_sum
//   without:         acc = sum_i (x_i + input_offset) (w_i + filter_offset) + bias
Status linear(Args& args) {
    const Tensor& in = args.tensor(0);
    const Tensor& weights = args.tensor(1);
    const Tensor* bias = args.optional_tensor(2);
    const Tensor* kernel_sum = args.optional_tensor(3);
    const auto input_offset = static_cast<std::int32_t>(kernel_sum ? 0 : args.integer(4));
    const auto filter_offset = static_cast<std::int32_t>(args.integer(5));
    const Dims multipliers = args.integers(7);
    const Dims shifts = args.integers(8);
    const Finish finish{static_cast<std::int32_t>(args.integer(6)), args.integer(10), args.integer(9)};
    Tensor& out = args.out(11);
    const Tensor* addend = kernel_sum ? kernel_sum : bias;
    args.demand(in.dtype == DType::i8 && weights.dtype == DType::i8 && out.dtype == DType::i8 &&
                    (!addend || addend->dtype == DType::i32),
                "quantized linear takes int8 and an int32 bias");
    args.demand(in.rank > 0 && weights.rank == 2 && multipliers.rank > 0 && shifts.rank > 0,
                "quantized linear: wrong number of dimensions");
    ETB_TRY(args.status);
    const int last = in.rank - 1;
    const std::int32_t inner = in.sizes[last];
    if (weights.sizes[1] != inner || (addend && addend->count() != static_cast<std::size_t>(weights.sizes[0])))
        return error(Code::mismatch, "quantized linear: shapes do not fit together");
    Requantize requantize;
    ETB_TRY(Requantize::of(multipliers[0], shifts[0], requantize));
    Dims sizes(in);
    sizes[last] = weights.sizes[0];
    ETB_TRY(resize(out, sizes));
    if (out.count() == 0) return {};
    const Dims weight_steps = strides(weights);
    const Dims steps[] = {strides(in), strides(out)};
    sizes[last] = 1;
    for (Walk walk(sizes, steps); walk.run(); walk.next())
        for (std::int32_t i = 0; i < walk.run(); ++i) {
            const std::int8_t* x = in.as<std::int8_t>() + walk.at(0) + i * walk.step(0);
            std::int8_t* y = out.as<std::int8_t>() + walk.at(1) + i * walk.step(1);
            for (std::int32_t o = 0; o < weights.sizes[0]; ++o) {
                const std::int8_t* w = weights.as<std::int8_t>() + std::ptrdiff_t{o} * weight_steps[0];
                std::uint32_t sum = products(x, steps[0][last], input_offset, w, weight_steps[1], filter_offset, inner);
                if (addend) sum += static_cast<std::uint32_t>(addend->as<std::int32_t>()[o]);
                y[std::ptrdiff_t{o} * steps[1][last]] = finish(requantize(static_cast<std::int32_t>(sum)));
            }
        }
    return {};
}

// quantized_batch_matmul(lhs [B, M, I], lhs_offset, rhs_transposed [B, N, I], rhs_offset, output_offset, multiplier,
// shift, scratch, out [B, M, N]).
Status batch_matmul(Args& args) {
    const Tensor& left = args.tensor(0);
    const auto left_offset = static_cast<std::int32_t>(args.integer(1));
    const Tensor& right = args.tensor(2);
    const auto right_offset = static_cast<std::int32_t>(args.integer(3));
    Finish finish;
    finish.zero_point = static_cast<std::int32_t>(args.integer(4));
    Requantize requantize;
    const Status scaled = Requantize::of(args.integer(5), args.integer(6), requantize);
    Tensor& out = args.out(8);
    args.demand(left.dtype == DType::i8 && right.dtype == DType::i8 && out.dtype == DType::i8 && left.rank == 3 &&
                    right.rank == 3,
                "quantized batch_matmul takes three dimensions of int8");
    ETB_TRY(args.status);
    ETB_TRY(scaled);
    if (left.sizes[0] != right.sizes[0] || left.sizes[2] != right.sizes[2])
        return error(Code::mismatch, "quantized batch_matmul: shapes do not fit together");
    Dims sizes(left);
    sizes[2] = right.sizes[1];
    ETB_TRY(resize(out, sizes));
    if (out.count() == 0) return {};
    const Dims a = strides(left);
    const Dims b = strides(right);
    const Dims c = strides(out);
    for (std::ptrdiff_t n = 0; n < sizes[0]; ++n)
        for (std::ptrdiff_t row = 0; row < sizes[1]; ++row)
            for (std::ptrdiff_t column = 0; column < sizes[2]; ++column) {
                const std::uint32_t sum =
                    products(left.as<std::int8_t>() + n * a[0] + row * a[1], a[2], left_offset,
                             right.as<std::int8_t>() + n * b[0] + column * b[1], b[2], right_offset, left.sizes[2]);
                out.as<std::int8_t>()[n * c[0] + row * c[1] + column * c[2]] =
                    finish(requantize(static_cast<std::int32_t>(sum)));
            }
    return {};
}

}  // namespace

ETB_KERNEL(quantized_linear, "cortex_m::quantized_linear.out", linear);
ETB_KERNEL(quantized_batch_matmul, "cortex_m::quantized_batch_matmul.out", batch_matmul);

}  // namespace etb
