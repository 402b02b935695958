// The NPU's fixed-point scaling: value * multiplier / 2^shift with one of six rounding modes.
#pragma once

#include <cstdint>

namespace etb::npu {

enum class Rounding : std::uint8_t {
    twice,      // TOSA's double rounding: half up; if shift > 31, first 2^30 is added away from zero
    twice_up,   // the same, but 2^30 is added toward plus infinity
    truncate,   // toward zero
    natural,    // half up
    symmetric,  // half away from zero
    down,       // toward minus infinity
};

// multiplier: unsigned 32 bits; signed for ELEMENTWISE of Ethos-U55 and U65. shift: 0..63.
// pre_shift: 0..31, bits by which the value is already shifted left; it lowers the 31 and 30 of the double rounding.
struct Scale {
    std::int64_t multiplier = 1;
    int shift = 0;
    Rounding rounding = Rounding::natural;
    int pre_shift = 0;
};

// value * multiplier / 2^shift, exact for every value, rounded, saturated at 64 bits. source: TOSA 1.0 apply_scale_32.
// Ties are tested by tests/npu/streams/rounding.toml.
std::int64_t rescale(std::int64_t value, const Scale& scale);

// The term that is added before the arithmetic right shift, for a product of this sign. scale.shift: not 0.
static inline std::int64_t rounding_term(bool negative, const Scale& scale) {
    const std::int64_t half = std::int64_t{1} << (scale.shift - 1);
    const bool twice = scale.shift > 31 - scale.pre_shift && scale.pre_shift <= 30;
    const std::int64_t first = twice ? std::int64_t{1} << (30 - scale.pre_shift) : 0;
    switch (scale.rounding) {
        case Rounding::twice:
            return negative ? half - first : half + first;
        case Rounding::twice_up:
            return half + first;
        case Rounding::truncate:
            return negative ? half + (half - 1) : 0;
        case Rounding::symmetric:
            return negative ? half - 1 : half;
        case Rounding::down:
            return 0;
        case Rounding::natural:
            break;
    }
    return half;
}

// Multiplication, addition and subtraction that wrap at 64 bits.
inline std::int64_t wrapping_product(std::int64_t a, std::int64_t b) {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
}
inline std::int64_t wrapping_sum(std::int64_t a, std::int64_t b) {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}
inline std::int64_t wrapping_difference(std::int64_t a, std::int64_t b) {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b));
}

// a / n, rounded half away from zero. n: 1..2^30.
inline std::int64_t rounded_quotient(std::int64_t a, std::int64_t n) {
    const std::int64_t rest = a % n;
    return a / n + (2 * rest >= n ? 1 : 2 * rest <= -n ? -1 : 0);
}

}  // namespace etb::npu
