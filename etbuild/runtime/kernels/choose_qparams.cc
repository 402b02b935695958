// The scale and zero point of a float32 tensor, or of each of its tokens: quantized_decomposed::choose_qparams and
// choose_qparams_per_token_asymmetric. In float64, equal to ExecuTorch's kernel. Tested by "choose" in
// test_quantization.py.
#include <cmath>

#include "kernels/channel_grids.h"

namespace etb {
namespace {

// Least scale: with a smaller one, products with its inverse lose precision.
constexpr float least_scale = 6.1e-5f;

struct Chosen {
    double scale;
    std::int64_t zero_point;
};

// For values between the least and the most of x and 0. low, high: the range of the quantised values.
Chosen choose(const float* x, std::size_t count, std::int32_t low, std::int32_t high) {
    float least = 0;
    float most = 0;
    for (std::size_t i = 0; i < count; ++i) {
        if (x[i] < least) least = x[i];
        if (x[i] > most) most = x[i];
    }
    const double steps = static_cast<double>(high) - low;
    double scale = (static_cast<double>(most) - static_cast<double>(least)) / steps;
    if (static_cast<float>(scale) == 0 || std::isinf(1 / static_cast<float>(scale))) scale = 0.1;
    if (scale < static_cast<double>(least_scale)) {
        const float wider = least_scale / static_cast<float>(scale);
        scale = static_cast<double>(least_scale);
        if (least == 0) {
            most = least_scale * static_cast<float>(steps);
        } else if (most == 0) {
            least = -least_scale * static_cast<float>(steps);
        } else {
            least *= wider;
            most *= wider;
        }
    }
    // The zero point from the end of the range where the rounding error is smaller.
    const double below = static_cast<double>(least) / scale;
    const double above = static_cast<double>(most) / scale;
    const bool from_low = std::fabs(low) - std::fabs(below) < std::fabs(high) - std::fabs(above);
    const double zero = from_low ? low - below : high - above;
    if (!(zero >= low)) return {scale, low};
    if (zero > high) return {scale, high};
    return {scale, static_cast<std::int64_t>(std::nearbyint(zero))};
}

// Checks the types and gives each result `count` elements.
Status check(Args& args, const Tensor& in, const Tensor& scales, const Tensor& zeros, std::size_t count) {
    ETB_TRY(args.status);
    if (in.dtype != DType::f32 || scales.dtype != DType::f64 || zeros.dtype != DType::i64)
        return error(Code::mismatch, "choose_qparams takes float32 to float64 and int64");
    if (scales.count() != count || zeros.count() != count)
        return error(Code::mismatch, "choose_qparams: wrong number of scales or zero points, wanted", count);
    return {};
}

// choose_qparams(input, quant_min, quant_max, eps, dtype, scale_out, zero_point_out). eps is not used.
Status of_tensor(Args& args) {
    const Tensor& in = args.tensor(0);
    const std::int64_t low = args.integer(1);
    const std::int64_t high = args.integer(2);
    Tensor& scale = args.out(5);
    Tensor& zero = args.out(6);
    args.demand(low < high && low >= INT32_MIN && high <= INT32_MAX, "choose_qparams: wrong range");
    ETB_TRY(check(args, in, scale, zero, 1));
    const Chosen chosen =
        choose(in.as<float>(), in.count(), static_cast<std::int32_t>(low), static_cast<std::int32_t>(high));
    scale.as<double>()[0] = chosen.scale;
    zero.as<std::int64_t>()[0] = chosen.zero_point;
    return {};
}

// choose_qparams_per_token_asymmetric(input [..., N], dtype, scale_out [..., 1], zero_point_out [..., 1]): for int8.
Status of_tokens(Args& args) {
    const Tensor& in = args.tensor(0);
    Tensor& scales = args.out(2);
    Tensor& zeros = args.out(3);
    ETB_TRY(args.status);
    Tokens tokens;
    ETB_TRY(Tokens::of(in, tokens));
    Dims sizes(in);
    sizes[in.rank - 1] = 1;
    ETB_TRY(resize(scales, sizes));
    ETB_TRY(resize(zeros, sizes));
    ETB_TRY(check(args, in, scales, zeros, tokens.count));
    for (std::size_t t = 0; t < tokens.count; ++t) {
        const Chosen chosen = choose(in.as<float>() + t * tokens.length, tokens.length, -128, 127);
        scales.as<double>()[t] = chosen.scale;
        zeros.as<std::int64_t>()[t] = chosen.zero_point;
    }
    return {};
}

}  // namespace

ETB_KERNEL(choose_qparams, "quantized_decomposed::choose_qparams.Tensor_out", of_tensor);
ETB_KERNEL(choose_qparams_per_token, "quantized_decomposed::choose_qparams_per_token_asymmetric.out", of_tokens);

}  // namespace etb
