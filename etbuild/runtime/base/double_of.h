// Conversion of an integer to float64. A core without double precision does it with integer instructions, as libgcc's
// routine for it comes with those for sums: 900 bytes. Tested by tests/runtime/kernels/test_factor.py.
#pragma once

#include <cstdint>
#include <cstring>

namespace etb {

#if !defined(__arm__) || (defined(__ARM_FP) && (__ARM_FP & 8))
inline constexpr bool has_double_precision = true;
#else
inline constexpr bool has_double_precision = false;
#endif

// With integer instructions; rounded to nearest, ties to even.
inline double double_by_integers(std::int64_t value) {
    auto bits = static_cast<std::uint64_t>(value);
    if (bits != 0) {
        const std::uint64_t sign = bits & (std::uint64_t{1} << 63);
        if (sign) bits = 0 - bits;
        const int zeros = __builtin_clzll(bits);
        bits <<= zeros;
        const bool up = (bits & 0x7FF) + ((bits >> 11) & 1) > 0x400;
        // The leading bit adds 1 to the exponent.
        bits = (sign | (static_cast<std::uint64_t>(1085 - zeros) << 52)) + (bits >> 11) + up;
    }
    double result;
    std::memcpy(&result, &bits, sizeof result);
    return result;
}

inline double double_of(std::int64_t value) {
    return has_double_precision ? static_cast<double>(value) : double_by_integers(value);
}

}  // namespace etb
