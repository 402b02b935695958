// A factor of a resize, which a program stores as float64, with integer instructions only: a core without double
// precision would link 2 KB of routines for it. Tested by tests/runtime/kernels/test_factor.py.
#pragma once

#include <cstdint>
#include <cstring>

namespace etb {

// mantissa * 2^exponent, 2^52 <= mantissa < 2^53. Subnormal numbers have another value here, and no use.
struct Factor {
    std::uint64_t mantissa = std::uint64_t{1} << 52;
    int exponent = -52;

    // bits: of a float64. false: that is not above 0 and below 65536.
    [[nodiscard]] static bool from(std::uint64_t bits, Factor& factor) {
        constexpr std::uint64_t one = std::uint64_t{1} << 52;
        constexpr std::uint64_t limit = 0x40F0000000000000;  // 65536; above it are infinity, NaN and what is negative
        factor.mantissa = (bits & (one - 1)) | one;
        factor.exponent = static_cast<int>(bits >> 52) - 1075;
        return bits > 0 && bits < limit;
    }

    // floor(size * factor), the product rounded to float64; 0 if that is above 2^31 - 1. size: 0 and more.
    // The floor is the next integer where the product rounds up to it: where it is within half of its last place.
    [[nodiscard]] std::int32_t floor_of(std::int32_t size) const {
        const auto times = static_cast<std::uint32_t>(size);
        const std::uint64_t low = (mantissa & 0xFFFFFFFF) * times;
        std::uint64_t high = (mantissa >> 32) * times + (low >> 32);  // in 2^32, 0 or 21 to 52 bits
        const auto top = static_cast<std::uint32_t>(high >> 20);      // from the product's 53rd bit on
        const std::uint32_t half = (std::uint32_t{1} << (31 - __builtin_clz(top | 1))) >> 1;
        high += ((low & 0xFFFFFFFF) + half) >> 32;
        const int shift = -32 - exponent;  // 5 and more
        high = shift < 64 ? high >> shift : 0;
        return high <= INT32_MAX ? static_cast<std::int32_t>(high) : 0;
    }

    // 1 / factor, rounded to float64 and that to float32. factor: 2^-64 and more.
    [[nodiscard]] float inverse() const {
        std::uint64_t quotient = 0;  // of 2^105 / mantissa, 53 bits or 2^53
        std::uint64_t rest = std::uint64_t{1} << 52;
        for (int bit = 0; bit < 54; ++bit) {
            quotient <<= 1;
            if (rest >= mantissa) {
                rest -= mantissa;
                ++quotient;
            }
            rest <<= 1;
        }
        quotient += rest > mantissa;  // never half: then 2^106 would be a product of an odd number
        auto upper = static_cast<std::uint32_t>(quotient >> 29);  // 24 bits
        const auto lower = static_cast<std::uint32_t>(quotient) & 0x1FFFFFFF;
        upper += lower + (upper & 1) > 0x10000000;
        const std::uint32_t bits = static_cast<std::uint32_t>(127 - 76 - exponent) << 23;
        float power;
        std::memcpy(&power, &bits, sizeof power);
        return static_cast<float>(upper) * power;
    }
};

}  // namespace etb
