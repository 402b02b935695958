// Products of float32 with int8 weights: quantized_decomposed::mixed_mm and mixed_linear. Weights without zero points.
// Summed in the order of ExecuTorch's kernels. Tested by "mixed" in test_quantization.py.
#include "kernels/kernel.h"

namespace etb {
namespace {

// A matrix by its strides, in elements.
struct Steps {
    std::ptrdiff_t row;
    std::ptrdiff_t column;

    explicit Steps(const Tensor& tensor) : row(strides(tensor)[0]), column(strides(tensor)[1]) {}
    [[nodiscard]] std::ptrdiff_t at(std::int32_t r, std::int32_t c) const { return r * row + c * column; }
};

// Checks what both operators have in common. scales: argument 2.
Status check(Args& args, const Tensor& out) {
    const Tensor& in = args.tensor(0);
    const Tensor& weight = args.tensor(1);
    args.demand(args.is_null(3), "mixed product: zero points are not supported");
    args.demand(in.dtype == DType::f32 && weight.dtype == DType::i8 && args.tensor(2).dtype == DType::f32 &&
                    out.dtype == DType::f32,
                "mixed product takes float32, int8 weights and float32 scales");
    args.demand(in.rank == 2 && weight.rank == 2 && out.rank == 2, "mixed product takes matrices");
    return args.status;
}

// mixed_mm(in [M, K], weight [K, N], scales [K], zero_points None, out [M, N]):
//   out[i, j] = sum_k in[i, k] weight[k, j] scales[k]
Status product(Args& args) {
    const Tensor& in = args.tensor(0);
    const Tensor& weight = args.tensor(1);
    const Tensor& scales = args.tensor(2);
    Tensor& out = args.out(4);
    ETB_TRY(check(args, out));
    const std::int32_t inner = in.sizes[1];
    if (weight.sizes[0] != inner || scales.rank != 1 || scales.sizes[0] != inner)
        return error(Code::mismatch, "mixed_mm: shapes do not fit together");
    Dims sizes(in);
    sizes[1] = weight.sizes[1];
    ETB_TRY(resize(out, sizes));
    const Steps a(in);
    const Steps b(weight);
    const Steps c(out);
    for (std::int32_t i = 0; i < (sizes[1] ? sizes[0] : 0); ++i)
        for (std::int32_t j = 0; j < sizes[1]; ++j) {
            float sum = 0;
            for (std::int32_t k = 0; k < inner; ++k)
                sum += in.as<float>()[a.at(i, k)] * static_cast<float>(weight.as<std::int8_t>()[b.at(k, j)]) *
                       scales.as<float>()[k];
            out.as<float>()[c.at(i, j)] = sum;
        }
    return {};
}

// mixed_linear(in [M, K], weight [N, K], scales [N] or [N, groups], zero_points None, dtype, out [M, N]):
//   out[i, j] = sum_g scales[j, g] sum_{k in group g} in[i, k] weight[j, k]
Status linear(Args& args) {
    const Tensor& in = args.tensor(0);
    const Tensor& weight = args.tensor(1);
    const Tensor& scales = args.tensor(2);
    Tensor& out = args.out(5);
    ETB_TRY(check(args, out));
    const std::int32_t inner = in.sizes[1];
    const std::int32_t groups = scales.rank == 2 ? scales.sizes[1] : 1;
    if (weight.sizes[1] != inner || scales.rank < 1 || scales.rank > 2 || scales.sizes[0] != weight.sizes[0] ||
        groups < 1 || inner % groups)
        return error(Code::mismatch, "mixed_linear: shapes do not fit together");
    Dims sizes(in);
    sizes[1] = weight.sizes[0];
    ETB_TRY(resize(out, sizes));
    const Steps a(in);
    const Steps b(weight);
    const Steps c(out);
    const Dims scale_steps = strides(scales);
    const std::ptrdiff_t group_step = scales.rank == 2 ? scale_steps[1] : 0;
    const std::int32_t length = inner / groups;
    for (std::int32_t i = 0; i < (sizes[1] ? sizes[0] : 0); ++i)
        for (std::int32_t j = 0; j < sizes[1]; ++j) {
            float sum = 0;
            for (std::int32_t g = 0; g < (length ? groups : 0); ++g) {
                float part = 0;
                for (std::int32_t k = g * length; k < (g + 1) * length; ++k)
                    part += in.as<float>()[a.at(i, k)] * static_cast<float>(weight.as<std::int8_t>()[b.at(j, k)]);
                sum += part * scales.as<float>()[std::ptrdiff_t{j} * scale_steps[0] + g * group_step];
            }
            out.as<float>()[c.at(i, j)] = sum;
        }
    return {};
}

}  // namespace

ETB_KERNEL(mixed_mm, "quantized_decomposed::mixed_mm.out", product);
ETB_KERNEL(mixed_linear, "quantized_decomposed::mixed_linear.out", linear);

}  // namespace etb
