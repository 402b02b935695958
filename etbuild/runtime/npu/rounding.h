// Fixed-point scaling as the NPU does it: value * multiplier / 2^shift with one of six roundings.
#pragma once

#include <cstdint>

namespace etb::npu {

enum class Rounding : std::uint8_t {
    twice,      // half up, and 2^30 away from zero first where shift > 31 (TOSA's double rounding)
    twice_up,   // the same, but 2^30 is always added
    truncate,   // toward zero
    natural,    // half up
    symmetric,  // half away from zero
    down,       // toward minus infinity
};

// multiplier: by its bits 0-31 or signed. shift: 0..63.
// pre_shift: bits by which the value is already shifted left, 0..31; it moves the point of the double rounding.
struct Scale {
    std::int64_t multiplier = 1;
    int shift = 0;
    Rounding rounding = Rounding::natural;
    int pre_shift = 0;
};

// Exact for every value; saturates at 64 bits. source: TOSA 1.0 apply_scale; ties pinned by tests/npu/streams.
std::int64_t rescale(std::int64_t value, const Scale& scale);

// Products, sums and differences that wrap at 64 bits.
inline std::int64_t wrapping_product(std::int64_t a, std::int64_t b) {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
}
inline std::int64_t wrapping_sum(std::int64_t a, std::int64_t b) {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}
inline std::int64_t wrapping_difference(std::int64_t a, std::int64_t b) {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b));
}

// a / n, half away from zero. n: 1..2^30.
inline std::int64_t rounded_quotient(std::int64_t a, std::int64_t n) {
    const std::int64_t rest = a % n;
    return a / n + (2 * rest >= n ? 1 : 2 * rest <= -n ? -1 : 0);
}

}  // namespace etb::npu
