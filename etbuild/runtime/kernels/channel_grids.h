// Per-channel quantisation parameters: the scales and zero points of quantize_per_channel and dequantize_per_channel.
#pragma once

#include "kernels/layout.h"

namespace etb {

// scales: [channels], float32 or float64. zeros: [channels], int64 or int32; null: all zero points are 0.
struct ChannelGrids {
    const Tensor& scales;
    const Tensor* zeros;

    [[nodiscard]] Status check(std::size_t channels) const {
        if (scales.dtype != DType::f32 && scales.dtype != DType::f64)
            return error(Code::mismatch, "scales of channels are not floats");
        if (zeros && zeros->dtype != DType::i64 && zeros->dtype != DType::i32)
            return error(Code::mismatch, "zero points of channels are neither int32 nor int64");
        if (scales.count() < channels || (zeros && zeros->count() < channels))
            return error(Code::mismatch, "fewer scales or zero points than channels", channels);
        return {};
    }
    [[nodiscard]] double scale(std::size_t c) const {
        return scales.dtype == DType::f64 ? scales.as<double>()[c] : static_cast<double>(scales.as<float>()[c]);
    }
    [[nodiscard]] std::int32_t zero(std::size_t c) const {
        if (!zeros) return 0;
        return zeros->dtype == DType::i32 ? zeros->as<std::int32_t>()[c]
                                          : static_cast<std::int32_t>(zeros->as<std::int64_t>()[c]);
    }
};

}  // namespace etb
