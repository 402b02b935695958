// Quantisation: q = clamp(zero_point + nearest(x / scale), quant_min, quant_max), ties to even. Operators
// quantized_decomposed::quantize_*, quantized_decomposed::add and cortex_m::quantize_per_tensor; float32 to uint8,
// int8, int16 or int32, any shape.
//
// x / scale is computed as x * (1 / scale); product and sum are in float32, as in the scalar code of ExecuTorch's
// kernel. NaN gives quant_min.
#include <cmath>

#include "kernels/channel_grids.h"

namespace etb {
namespace {

// Quantisation parameters. low, high: quant_min, quant_max.
struct Grid {
    float inverse;     // 1 / scale
    float zero_point;  // an integer
    std::int32_t low;
    std::int32_t high;

    Grid(double scale, std::int64_t zero, std::int64_t least, std::int64_t most)
        : inverse(1.0f / static_cast<float>(scale)),
          zero_point(static_cast<float>(static_cast<std::int32_t>(zero))),
          low(static_cast<std::int32_t>(least)),
          high(static_cast<std::int32_t>(most)) {}

    [[nodiscard]] std::int32_t quantize(float x) const {
        const float q = zero_point + std::nearbyint(inverse * x);
        if (!(q > static_cast<float>(low))) return low;
        if (q >= static_cast<float>(high)) return high;
        return static_cast<std::int32_t>(q);
    }
};

template <class T>
void quantize_run(const Grid& grid, const float* x, std::uint8_t* q, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) store(q + i * sizeof(T), static_cast<T>(grid.quantize(x[i])));
}

using Run = void (*)(const Grid&, const float*, std::uint8_t*, std::size_t);

// Null for a type that is not built.
template <class T>
Run run_of() {
    return is_built(type_of<T>) ? quantize_run<T> : nullptr;
}

Run run_for(DType type) {
    switch (type) {
        case DType::u8:
            return run_of<std::uint8_t>();
        case DType::i8:
            return run_of<std::int8_t>();
        case DType::i16:
            return run_of<std::int16_t>();
        case DType::i32:
            return run_of<std::int32_t>();
        default:
            return nullptr;
    }
}

Status check(Args& args, const Tensor& in, Tensor& out) {
    ETB_TRY(args.status);
    if (in.dtype != DType::f32 || !run_for(out.dtype))
        return error(Code::mismatch, "quantize takes float32 to uint8, int8, int16 or int32, got type",
                     static_cast<std::uint64_t>(out.dtype));
    ETB_TRY(resize(out, Dims(in)));
    if (!same_layout(in, out)) return error(Code::mismatch, "quantize: result has another memory order");
    return {};
}

// quantize_per_tensor(in, scale, zero_point, quant_min, quant_max, dtype, out).
// Tested by "quantize_per_tensor" in test_quantization.py.
Status per_tensor(Args& args) {
    const Tensor& in = args.tensor(0);
    const Grid grid(args.number(1), args.integer(2), args.integer(3), args.integer(4));
    Tensor& out = args.out(6);
    ETB_TRY(check(args, in, out));
    run_for(out.dtype)(grid, in.as<float>(), out.data, in.count());
    return {};
}

// quantize_per_tensor.Tensor(in, scale [1], zero_point [1], quant_min, quant_max, dtype, out).
// Tested by "quantize_per_tensor" in test_quantization.py.
Status per_tensor_of_tensors(Args& args) {
    const Tensor& in = args.tensor(0);
    const ChannelGrids grids{args.tensor(1), &args.tensor(2)};
    const std::int64_t low = args.integer(3);
    const std::int64_t high = args.integer(4);
    Tensor& out = args.out(6);
    ETB_TRY(check(args, in, out));
    ETB_TRY(grids.check(1));
    run_for(out.dtype)(Grid(grids.scale(0), grids.zero(0), low, high), in.as<float>(), out.data, in.count());
    return {};
}

// quantize_per_channel(in, scales [channels], zero_points [channels], axis, quant_min, quant_max, dtype, out).
// Tested by "quantize_per_channel" in test_quantization.py.
Status per_channel(Args& args) {
    const Tensor& in = args.tensor(0);
    const ChannelGrids grids{args.tensor(1), &args.tensor(2)};
    const int axis_index = args.dimension(args.integer(3), in.rank);
    const std::int64_t low = args.integer(4);
    const std::int64_t high = args.integer(5);
    Tensor& out = args.out(7);
    ETB_TRY(check(args, in, out));
    const Axis axis = axis_of(in, axis_index);
    ETB_TRY(grids.check(axis.length));
    const Run run = run_for(out.dtype);
    const std::size_t step = element_size(out.dtype);
    std::size_t at = 0;
    for (std::size_t o = 0; o < axis.outer; ++o)
        for (std::size_t c = 0; c < axis.length; ++c, at += axis.inner) {
            const Grid grid(grids.scale(c), grids.zero(c), low, high);
            run(grid, in.as<float>() + at, out.data + at * step, axis.inner);
        }
    return {};
}

// quantize_per_token(in [..., N], scales [tokens], zero_points [tokens], quant_min, quant_max, dtype, out): N elements
// with one scale. Tested by "per_token" in test_quantization.py.
Status per_token(Args& args) {
    const Tensor& in = args.tensor(0);
    const ChannelGrids grids{args.tensor(1), &args.tensor(2)};
    const std::int64_t low = args.integer(3);
    const std::int64_t high = args.integer(4);
    Tensor& out = args.out(6);
    ETB_TRY(check(args, in, out));
    Tokens tokens;
    ETB_TRY(Tokens::of(in, tokens));
    ETB_TRY(grids.check(tokens.count));
    const Run run = run_for(out.dtype);
    const std::size_t step = element_size(out.dtype) * tokens.length;
    for (std::size_t t = 0; t < tokens.count; ++t)
        run(Grid(grids.scale(t), grids.zero(t), low, high), in.as<float>() + t * tokens.length, out.data + t * step,
            tokens.length);
    return {};
}

// out = quantized(a + b), all of type T.
template <class T>
void add_run(const Tensor& a, const Tensor& b, const Tensor& out, const Grid& grid, const float (&scales)[2],
             const std::int32_t (&zeros)[2]) {
    if constexpr (!is_built(type_of<T>)) return;  // `add` has refused it
    const auto real = [&](T q, int side) { return static_cast<float>(std::int64_t{q} - zeros[side]) * scales[side]; };
    for (std::size_t i = 0; i < a.count(); ++i)
        out.as<T>()[i] = static_cast<T>(grid.quantize(real(a.as<T>()[i], 0) + real(b.as<T>()[i], 1)));
}

// add(a, scale, zero_point, quant_min, quant_max, b, scale, zero_point, quant_min, quant_max, out_scale,
// out_zero_point, out_quant_min, out_quant_max, out): of equal shape and type. Tested by "add" in test_quantization.py.
Status add(Args& args) {
    const Tensor& a = args.tensor(0);
    const Tensor& b = args.tensor(5);
    const Grid grid(args.number(10), args.integer(11), args.integer(12), args.integer(13));
    const float scales[] = {static_cast<float>(args.number(1)), static_cast<float>(args.number(6))};
    const std::int32_t zeros[] = {static_cast<std::int32_t>(args.integer(2)),
                                  static_cast<std::int32_t>(args.integer(7))};
    Tensor& out = args.out(14);
    args.demand(a.dtype == b.dtype && a.dtype == out.dtype && run_for(a.dtype),
                "quantized add takes uint8, int8, int16 or int32");
    ETB_TRY(args.status);
    ETB_TRY(resize(out, Dims(a)));
    if (!same_layout(a, b) || !same_layout(a, out))
        return error(Code::mismatch, "quantized add: tensors with other shapes or memory orders");
    switch (a.dtype) {
        case DType::u8:
            add_run<std::uint8_t>(a, b, out, grid, scales, zeros);
            break;
        case DType::i8:
            add_run<std::int8_t>(a, b, out, grid, scales, zeros);
            break;
        case DType::i16:
            add_run<std::int16_t>(a, b, out, grid, scales, zeros);
            break;
        default:
            add_run<std::int32_t>(a, b, out, grid, scales, zeros);
    }
    return {};
}

}  // namespace

ETB_KERNEL(quantize_per_tensor, "quantized_decomposed::quantize_per_tensor.out", per_tensor);
ETB_KERNEL(cortex_m_quantize_per_tensor, "cortex_m::quantize_per_tensor.out", per_tensor);
ETB_KERNEL(quantize_per_tensor_of_tensors, "quantized_decomposed::quantize_per_tensor.Tensor_out",
           per_tensor_of_tensors);
ETB_KERNEL(quantize_per_token, "quantized_decomposed::quantize_per_token.out", per_token);
ETB_KERNEL(quantized_decomposed_add, "quantized_decomposed::add.out", add);
ETB_KERNEL(quantize_per_channel, "quantized_decomposed::quantize_per_channel.out", per_channel);

}  // namespace etb
