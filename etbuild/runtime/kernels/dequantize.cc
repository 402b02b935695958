// Dequantisation: x = (q - zero_point) * scale, the product in float32. Operators quantized_decomposed::dequantize_*
// and cortex_m::dequantize_per_tensor; uint8, int8, int16 or int32 to float32, any shape.
#include "kernels/channel_grids.h"

namespace etb {
namespace {

// Quantisation parameters.
struct Grid {
    float scale;
    std::int32_t zero_point;
};

template <class T>
void dequantize_run(const Grid& grid, const std::uint8_t* q, float* x, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        // The difference wraps at 32 bits, as in ExecuTorch's kernel.
        const auto distance = static_cast<std::int32_t>(static_cast<std::uint32_t>(load<T>(q + i * sizeof(T))) -
                                                        static_cast<std::uint32_t>(grid.zero_point));
        x[i] = static_cast<float>(distance) * grid.scale;
    }
}

using Run = void (*)(const Grid&, const std::uint8_t*, float*, std::size_t);

// Null for a type that is not built.
template <class T>
Run run_of() {
    return is_built(type_of<T>) ? dequantize_run<T> : nullptr;
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
    if (out.dtype != DType::f32 || !run_for(in.dtype))
        return error(Code::mismatch, "dequantize takes uint8, int8, int16 or int32 to float32, got type",
                     static_cast<std::uint64_t>(in.dtype));
    ETB_TRY(resize(out, Dims(in)));
    if (!same_layout(in, out)) return error(Code::mismatch, "dequantize: result has another memory order");
    return {};
}

// dequantize_per_tensor(in, scale, zero_point, quant_min, quant_max, dtype[, out_dtype], out).
// Tested by "dequantize_per_tensor" in test_quantization.py.
Status per_tensor(Args& args) {
    const Tensor& in = args.tensor(0);
    const Grid grid{static_cast<float>(args.number(1)), static_cast<std::int32_t>(args.integer(2))};
    Tensor& out = args.out(args.size() - 1);
    ETB_TRY(check(args, in, out));
    run_for(in.dtype)(grid, in.data, out.as<float>(), in.count());
    return {};
}

// dequantize_per_tensor.Tensor(in, scale [1], zero_point [1], quant_min, quant_max, dtype[, out_dtype], out).
// Tested by "dequantize_per_tensor" in test_quantization.py.
Status per_tensor_of_tensors(Args& args) {
    const Tensor& in = args.tensor(0);
    const ChannelGrids grids{args.tensor(1), &args.tensor(2)};
    Tensor& out = args.out(args.size() - 1);
    ETB_TRY(check(args, in, out));
    ETB_TRY(grids.check(1));
    run_for(in.dtype)({static_cast<float>(grids.scale(0)), grids.zero(0)}, in.data, out.as<float>(), in.count());
    return {};
}

// dequantize_per_token(in [..., N], scales [tokens], zero_points [tokens], quant_min, quant_max, dtype, output_dtype,
// out): N elements with one scale. Tested by "per_token" in test_quantization.py.
Status per_token(Args& args) {
    const Tensor& in = args.tensor(0);
    const ChannelGrids grids{args.tensor(1), &args.tensor(2)};
    Tensor& out = args.out(7);
    ETB_TRY(check(args, in, out));
    Tokens tokens;
    ETB_TRY(Tokens::of(in, tokens));
    ETB_TRY(grids.check(tokens.count));
    const Run run = run_for(in.dtype);
    const std::size_t step = element_size(in.dtype) * tokens.length;
    for (std::size_t t = 0; t < tokens.count; ++t)
        run({static_cast<float>(grids.scale(t)), grids.zero(t)}, in.data + t * step,
            out.as<float>() + t * tokens.length, tokens.length);
    return {};
}

// dequantize_per_channel(in, scales [channels], zero_points [channels] or None, axis, quant_min, quant_max, dtype
// [, out_dtype], out).
// Tested by "dequantize_per_channel" in test_quantization.py.
Status per_channel(Args& args) {
    const Tensor& in = args.tensor(0);
    const ChannelGrids grids{args.tensor(1), args.optional_tensor(2)};
    const int axis_index = args.dimension(args.integer(3), in.rank);
    Tensor& out = args.out(args.size() - 1);
    ETB_TRY(check(args, in, out));
    const Axis axis = axis_of(in, axis_index);
    ETB_TRY(grids.check(axis.length));
    const Run run = run_for(in.dtype);
    const std::size_t step = element_size(in.dtype);
    std::size_t at = 0;
    for (std::size_t o = 0; o < axis.outer; ++o)
        for (std::size_t c = 0; c < axis.length; ++c, at += axis.inner) {
            const Grid grid{static_cast<float>(grids.scale(c)), grids.zero(c)};
            run(grid, in.data + at * step, out.as<float>() + at, axis.inner);
        }
    return {};
}

}  // namespace

ETB_KERNEL(dequantize_per_tensor, "quantized_decomposed::dequantize_per_tensor.out", per_tensor);
ETB_KERNEL(cortex_m_dequantize_per_tensor, "cortex_m::dequantize_per_tensor.out", per_tensor);
ETB_KERNEL(dequantize_per_tensor_of_tensors, "quantized_decomposed::dequantize_per_tensor.Tensor_out",
           per_tensor_of_tensors);
ETB_KERNEL(dequantize_per_token, "quantized_decomposed::dequantize_per_token.out", per_token);
ETB_KERNEL(dequantize_per_channel, "quantized_decomposed::dequantize_per_channel.out", per_channel);

}  // namespace etb
