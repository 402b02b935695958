// cortex_m::softmax: int8 to int8 along one dimension, the result with scale 1 / 256 and zero point -128.
//   out[i] = clamp(nearest(256 exp(x[i]) / sum_j exp(x[j])) - 128), x = (q - zero_point) * multiplier 2^shift / 2^57
// float32, as ExecuTorch's Python implementation: where 256 p is within the last bits of exp() of a tie, results may
// differ by one. Tested by "softmax" in test_cortex_m.py.
#include <cmath>

#include "kernels/walk.h"

namespace etb {
namespace {

// softmax(input, dim, input_zero_point, output_zero_point, input_multiplier, input_shift, diff_min, out).
Status softmax(Args& args) {
    const Tensor& in = args.tensor(0);
    const int d = args.dimension(args.integer(1), in.rank);
    const auto zero = static_cast<float>(args.integer(2));
    const std::int64_t shift = args.integer(5);
    const auto multiplier = static_cast<float>(args.integer(4));
    Tensor& out = args.out(7);
    args.demand(in.dtype == DType::i8 && out.dtype == DType::i8 && in.rank > 0, "quantized softmax takes int8");
    args.demand(args.integer(3) == -128 && multiplier > 0 && shift >= -1000 && shift <= 1000,
                "quantized softmax: wrong scale or zero point");
    ETB_TRY(args.status);
    ETB_TRY(resize(out, Dims(in)));
    const float scale = std::ldexp(multiplier, static_cast<int>(shift) - 57);
    Dims sizes(in);
    const std::int32_t length = sizes[d];
    sizes[d] = length ? 1 : 0;
    const Dims steps[] = {strides(in), strides(out)};
    const std::ptrdiff_t from = steps[0][d];
    const std::ptrdiff_t to = steps[1][d];
    for (Walk walk(sizes, steps); walk.run(); walk.next())
        for (std::int32_t i = 0; i < walk.run(); ++i) {
            const std::int8_t* q = in.as<std::int8_t>() + walk.at(0) + i * walk.step(0);
            std::int8_t* p = out.as<std::int8_t>() + walk.at(1) + i * walk.step(1);
            const auto real = [&](std::int32_t k) { return (static_cast<float>(q[k * from]) - zero) * scale; };
            float most = real(0);
            for (std::int32_t k = 1; k < length; ++k)
                if (real(k) > most) most = real(k);
            float sum = 0;
            for (std::int32_t k = 0; k < length; ++k) sum += std::exp(real(k) - most);
            for (std::int32_t k = 0; k < length; ++k) {
                const float y = std::nearbyint(std::exp(real(k) - most) / sum * 256) - 128;
                p[k * to] = static_cast<std::int8_t>(!(y > -128) ? -128 : y > 127 ? 127 : static_cast<std::int32_t>(y));
            }
        }
    return {};
}

}  // namespace

ETB_KERNEL(quantized_softmax, "cortex_m::softmax.out", softmax);

}  // namespace etb
