// The inner loops of the convolutions, where the emulator spends most of its time. Sums of 16-bit inputs wrap at 32
// bits.
#pragma once

#include <cstddef>
#include <cstdint>

namespace etb::npu {

// Pixels per call, so that each weight is loaded once for several pixels.
inline constexpr std::size_t mac_pixels = 4;
// Lengths are padded with zeros to a multiple of this.
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
