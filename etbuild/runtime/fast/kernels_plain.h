// The loops in plain C++, as far as the versions share them. All is internal to the file that includes it.
#pragma once

#include "fast/kernels.h"

namespace etb::fast {
namespace {

[[maybe_unused]] void plain_products(const Products& work) {
    const auto* weights = static_cast<const std::int16_t*>(work.weights);
    for (std::size_t group = 0; group < work.groups; ++group) {
        std::uint32_t sums[most_pixels][lanes] = {};
        for (std::size_t step = 0; step < work.steps; ++step, weights += 2 * lanes) {
            std::int16_t first[lanes], second[lanes];
            for (std::size_t c = 0; c < lanes; ++c) {
                first[c] = weights[2 * c];
                second[c] = weights[2 * c + 1];
            }
            for (std::size_t pixel = 0; pixel < work.pixels; ++pixel) {
                const auto* in = reinterpret_cast<const std::int16_t*>(work.inputs + pixel * work.row) + 2 * step;
                const std::int16_t a = in[0], b = in[1];
                for (std::size_t c = 0; c < lanes; ++c) sums[pixel][c] += static_cast<std::uint32_t>(a * first[c]);
                for (std::size_t c = 0; c < lanes; ++c) sums[pixel][c] += static_cast<std::uint32_t>(b * second[c]);
            }
        }
        for (std::size_t pixel = 0; pixel < work.pixels; ++pixel) {
            std::int32_t* const out = work.sums + (pixel * work.groups + group) * lanes;
            for (std::size_t c = 0; c < lanes; ++c) out[c] = static_cast<std::int32_t>(sums[pixel][c]);
        }
    }
}

[[maybe_unused]] void plain_taps(const Taps& work) {
    for (std::size_t pixel = 0; pixel < work.pixels; ++pixel) {
        const auto* weights = static_cast<const std::int16_t*>(work.weights);
        std::uint32_t sums[lanes] = {};
        for (std::size_t ky = 0; ky < work.height; ++ky) {
            const std::uint8_t* in = work.rows[ky] + pixel * work.stride * lanes;
            for (std::size_t kx = 0; kx < work.width; ++kx, in += work.dilation * lanes, weights += lanes)
                for (std::size_t c = 0; c < lanes; ++c)
                    sums[c] += static_cast<std::uint32_t>(std::int32_t{in[c]} * weights[c]);
        }
        std::int32_t* const out = work.sums + pixel * lanes;
        for (std::size_t c = 0; c < lanes; ++c) out[c] = static_cast<std::int32_t>(sums[c]);
    }
}

[[maybe_unused]] void plain_rescale(const Rescale& work) {
    const GroupScales& scales = *work.scales;
    const std::int32_t* sums = work.sums;
    std::uint8_t* to = work.to;
    for (std::size_t pixel = 0; pixel < work.pixels; ++pixel, sums += work.stride, to += work.step)
        for (std::size_t c = 0; c < work.count; ++c) {
            const std::int64_t value = static_cast<std::int32_t>(static_cast<std::uint32_t>(sums[c]) +
                                                                 static_cast<std::uint32_t>(scales.bias[c]));
            const std::size_t place = c % 2 * (lanes / 2) + c / 2;
            const std::int64_t term = value < 0 ? scales.negative[place] : scales.positive[place];
            const std::int64_t scaled = (value * scales.multiplier[c] + term) >> (32 + scales.shift[c]);
            const std::int64_t kept = scaled < work.low ? work.low : scaled > work.high ? work.high : scaled;
            to[c] = static_cast<std::uint8_t>(kept + work.zero_point);
        }
}

}  // namespace
}  // namespace etb::fast
