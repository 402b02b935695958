// Quantised operators that compute each element alone: cortex_m::quantized_add, quantized_mul, quantized_div,
// quantized_activation. Equal to ExecuTorch's Python implementation. Operands are broadcast as in PyTorch. Tested by
// test_cortex_m.py.
#include <cmath>

#include "kernels/requantize.h"
#include "kernels/walk.h"

namespace etb {
namespace {

// out = compute(a, b), all of type T, with a and b broadcast to each other.
template <class T, class Compute>
Status for_pairs(Args& args, const Tensor& a, const Tensor& b, Tensor& out, Compute compute) {
    ETB_TRY(args.status);
    const Dims sizes = broadcast_sizes(args, Dims(a), Dims(b));
    ETB_TRY(args.status);
    ETB_TRY(resize(out, sizes));
    const Dims steps[] = {broadcast_strides(args, a, sizes), broadcast_strides(args, b, sizes), strides(out)};
    ETB_TRY(args.status);
    for (Walk walk(sizes, steps); walk.run(); walk.next())
        for (std::int32_t i = 0; i < walk.run(); ++i)
            out.as<T>()[walk.at(2) + i * walk.step(2)] = static_cast<T>(
                compute(a.as<T>()[walk.at(0) + i * walk.step(0)], b.as<T>()[walk.at(1) + i * walk.step(1)]));
    return {};
}

std::int32_t minus_zero(std::int32_t q, std::int32_t zero_point) {
    return static_cast<std::int32_t>(static_cast<std::uint32_t>(q) - static_cast<std::uint32_t>(zero_point));
}

// One operand of quantized_add: (q - zero_point) << 20, requantised.
struct Term {
    std::int32_t zero_point = 0;
    Requantize requantize;

    static Status of(Args& args, std::size_t at, Term& term) {
        term.zero_point = static_cast<std::int32_t>(args.integer(at));
        return Requantize::of(args.integer(at + 1), args.integer(at + 2), term.requantize);
    }
    [[nodiscard]] std::uint32_t operator()(std::int32_t q) const {
        const std::uint32_t shifted = static_cast<std::uint32_t>(minus_zero(q, zero_point)) << 20;
        return static_cast<std::uint32_t>(requantize(static_cast<std::int32_t>(shifted)));
    }
};

// quantized_add(self, zero_point, multiplier, shift, other, zero_point, multiplier, shift, output_zero_point,
// output_multiplier, output_shift, activation_min, activation_max, out).
Status add(Args& args) {
    const Tensor& a = args.tensor(0);
    const Tensor& b = args.tensor(4);
    Tensor& out = args.out(13);
    args.demand(a.dtype == DType::i8 && b.dtype == DType::i8 && out.dtype == DType::i8, "quantized_add takes int8");
    Term left;
    Term right;
    Term result;
    ETB_TRY(Term::of(args, 1, left));
    ETB_TRY(Term::of(args, 5, right));
    ETB_TRY(Term::of(args, 8, result));
    const Finish finish{result.zero_point, args.integer(11), args.integer(12)};
    return for_pairs<std::int8_t>(args, a, b, out, [&](std::int32_t x, std::int32_t y) {
        return finish(result.requantize(static_cast<std::int32_t>(left(x) + right(y))));
    });
}

// quantized_mul(self, zero_point, other, zero_point, output_zero_point, output_multiplier, output_shift, out).
Status multiply(Args& args) {
    const Tensor& a = args.tensor(0);
    const Tensor& b = args.tensor(2);
    Tensor& out = args.out(7);
    args.demand(a.dtype == DType::i8 && b.dtype == DType::i8 && out.dtype == DType::i8, "quantized_mul takes int8");
    const auto left = static_cast<std::int32_t>(args.integer(1));
    const auto right = static_cast<std::int32_t>(args.integer(3));
    Term result;
    ETB_TRY(Term::of(args, 4, result));
    Finish finish;
    finish.zero_point = result.zero_point;
    return for_pairs<std::int8_t>(args, a, b, out, [&](std::int32_t x, std::int32_t y) {
        const std::uint32_t product =
            static_cast<std::uint32_t>(minus_zero(x, left)) * static_cast<std::uint32_t>(minus_zero(y, right));
        return finish(result.requantize(static_cast<std::int32_t>(product)));
    });
}

// The quotient in float32, rounded with ties to even; 0 for a divisor of 0.
template <class T>
Status divide_all(Args& args, const Tensor& a, const Tensor& b, Tensor& out) {
    const auto left = static_cast<std::int32_t>(args.integer(1));
    const auto right = static_cast<std::int32_t>(args.integer(3));
    const auto zero = static_cast<float>(args.integer(4));
    const auto scale = static_cast<float>(args.number(5));
    constexpr float low = sizeof(T) == 1 ? -128 : -32768;
    constexpr float high = sizeof(T) == 1 ? 127 : 32767;
    return for_pairs<T>(args, a, b, out, [&](std::int32_t x, std::int32_t y) {
        const auto divisor = static_cast<float>(minus_zero(y, right));
        const float quotient = divisor == 0 ? 0 : static_cast<float>(minus_zero(x, left)) / divisor;
        const float q = std::nearbyint(quotient * scale) + zero;
        return static_cast<std::int32_t>(!(q > low) ? low : q > high ? high : q);
    });
}

// quantized_div(self, zero_point, other, zero_point, output_zero_point, output_scale, out): int8 or int16.
Status divide(Args& args) {
    const Tensor& a = args.tensor(0);
    const Tensor& b = args.tensor(2);
    Tensor& out = args.out(6);
    args.demand((a.dtype == DType::i8 || a.dtype == DType::i16) && b.dtype == a.dtype && out.dtype == a.dtype,
                "quantized_div takes int8 or int16");
    ETB_TRY(args.status);
    return a.dtype == DType::i8 ? divide_all<std::int8_t>(args, a, b, out) : divide_all<std::int16_t>(args, a, b, out);
}

// quantized_activation(input, lut, out): out = lut[input + 128], with a table of 256 int8.
Status activation(Args& args) {
    const Tensor& in = args.tensor(0);
    const Tensor& table = args.tensor(1);
    Tensor& out = args.out(2);
    args.demand(in.dtype == DType::i8 && table.dtype == DType::i8 && out.dtype == DType::i8 && table.count() == 256,
                "quantized_activation takes int8 and a table of 256");
    return for_pairs<std::int8_t>(args, in, in, out,
                                  [&](std::int32_t q, std::int32_t) { return table.as<std::int8_t>()[q + 128]; });
}

}  // namespace

ETB_KERNEL(quantized_add, "cortex_m::quantized_add.out", add);
ETB_KERNEL(quantized_mul, "cortex_m::quantized_mul.out", multiply);
ETB_KERNEL(quantized_div, "cortex_m::quantized_div.out", divide);
ETB_KERNEL(quantized_activation, "cortex_m::quantized_activation.out", activation);

}  // namespace etb
