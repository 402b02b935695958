// Written so that compilers vectorise them with instructions that multiply-accumulate pairs of 16-bit numbers.
#include "npu/mac.h"

// A build for x86-64 compiles several versions of these functions (target_clones); the loader selects one for the CPU.
#ifndef ETB_MAC_VERSIONS
#define ETB_MAC_VERSIONS
#endif

namespace etb::npu {

ETB_MAC_VERSIONS void multiply(const std::int16_t* inputs, const std::int16_t* weights, std::size_t length,
                               std::size_t channels, std::int64_t* sums) {
    const std::int16_t *const a = inputs, *const b = a + length, *const c = b + length, *const d = c + length;
    for (std::size_t channel = 0; channel < channels; ++channel, weights += length) {
        std::uint32_t sum_a = 0, sum_b = 0, sum_c = 0, sum_d = 0;
        for (std::size_t i = 0; i < length; ++i) {
            sum_a += static_cast<std::uint32_t>(a[i] * weights[i]);
            sum_b += static_cast<std::uint32_t>(b[i] * weights[i]);
            sum_c += static_cast<std::uint32_t>(c[i] * weights[i]);
            sum_d += static_cast<std::uint32_t>(d[i] * weights[i]);
        }
        sums[channel] = static_cast<std::int32_t>(sum_a);
        sums[channels + channel] = static_cast<std::int32_t>(sum_b);
        sums[2 * channels + channel] = static_cast<std::int32_t>(sum_c);
        sums[3 * channels + channel] = static_cast<std::int32_t>(sum_d);
    }
}

ETB_MAC_VERSIONS void multiply(const std::int32_t* inputs, const std::int16_t* weights, std::size_t length,
                               std::size_t channels, std::int64_t* sums) {
    for (std::size_t pixel = 0; pixel < mac_pixels; ++pixel, inputs += length) {
        const std::int16_t* row = weights;
        for (std::size_t channel = 0; channel < channels; ++channel, row += length) {
            std::int64_t sum = 0;
            for (std::size_t i = 0; i < length; ++i) sum += std::int64_t{inputs[i]} * row[i];
            *sums++ = sum;
        }
    }
}

ETB_MAC_VERSIONS void accumulate_products(const std::int16_t* inputs, const std::int16_t* weights, std::size_t channels,
                                          std::int32_t* sums) {
    for (std::size_t c = 0; c < channels; ++c) {
        const auto product = static_cast<std::uint32_t>(inputs[c] * weights[c]);
        sums[c] = static_cast<std::int32_t>(static_cast<std::uint32_t>(sums[c]) + product);
    }
}

ETB_MAC_VERSIONS void accumulate_products(const std::int32_t* inputs, const std::int16_t* weights, std::size_t channels,
                                          std::int64_t* sums) {
    for (std::size_t c = 0; c < channels; ++c) sums[c] += std::int64_t{inputs[c]} * weights[c];
}

}  // namespace etb::npu
