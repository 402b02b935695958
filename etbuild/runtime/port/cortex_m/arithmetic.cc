// Conversions of 64-bit integers by the FPU, in the place of libgcc's, which bring all of its software floating point.
#include <cstdint>

#if defined(__ARM_FP) && (__ARM_FP & 8)  // there is double precision

extern "C" {
// The compiler's helper functions pass floats in integer registers, whatever the rest does.
[[gnu::pcs("aapcs")]] double __aeabi_l2d(std::int64_t value);
[[gnu::pcs("aapcs")]] float __aeabi_l2f(std::int64_t value);
}

// Both parts and the product are exact: the sum rounds once.
extern "C" double __aeabi_l2d(std::int64_t value) {
    return static_cast<double>(static_cast<std::int32_t>(value >> 32)) * 4294967296.0 +
           static_cast<double>(static_cast<std::uint32_t>(value));
}

// What a double could not hold is folded into its last bit, so that only the rounding to float counts.
extern "C" float __aeabi_l2f(std::int64_t value) {
    const bool is_wide = static_cast<std::int32_t>(value >> 32) >> 20 != static_cast<std::int32_t>(value >> 63);
    if (is_wide && (value & 0x7FF)) value = (value & ~std::int64_t{0x7FF}) | 0x800;
    return static_cast<float>(__aeabi_l2d(value));
}

#endif
