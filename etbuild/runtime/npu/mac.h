// The inner loops of convolution, the only place where most of the time goes. Sums of 16-bit inputs wrap at 32 bits.
#pragma once

#include <cstddef>
#include <cstdint>

namespace etb::npu {

// Pixels that are multiplied at once, so that a weight is loaded once for all of them.
inline constexpr std::size_t mac_pixels = 4;
// Lengths are rounded up to a multiple of this, with zeros.
inline constexpr std::size_t mac_step = 16;

// sums[pixel * channels + c] = sum over i of inputs[pixel * length + i] * weights[c * length + i], for mac_pixels
// pixels.
void multiply(const std::int16_t* inputs, const std::int16_t* weights, std::size_t length, std::size_t channels,
              std::int64_t* sums);
void multiply(const std::int32_t* inputs, const std::int16_t* weights, std::size_t length, std::size_t channels,
              std::int64_t* sums);

// sums[c] += inputs[c] * weights[c].
void accumulate_products(const std::int16_t* inputs, const std::int16_t* weights, std::size_t channels,
                         std::int32_t* sums);
void accumulate_products(const std::int32_t* inputs, const std::int16_t* weights, std::size_t channels,
                         std::int64_t* sums);

}  // namespace etb::npu
