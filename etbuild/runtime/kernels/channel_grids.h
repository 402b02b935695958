// Quantisation parameters in tensors: the scales and zero points of channels, tokens, or of a whole tensor.
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

// A tensor's memory as tokens: all dimensions but the last, in row-major order.
struct Tokens {
    std::size_t count = 0;
    std::size_t length = 0;

    static Status of(const Tensor& tensor, Tokens& tokens) {
        for (int d = 0; d < tensor.rank; ++d)
            if (tensor.order[d] != d) return error(Code::unsupported, "tokens that are not in plain memory order");
        if (tensor.rank == 0) return error(Code::mismatch, "tokens of a scalar");
        tokens.length = static_cast<std::size_t>(tensor.sizes[tensor.rank - 1]);
        tokens.count = tokens.length ? tensor.count() / tokens.length : 0;
        return {};
    }
};

}  // namespace etb
