// Conversion of 64-bit integers to float and double by the FPU. It replaces libgcc's functions, which link all of its
// software floating point.
#include <cstdint>

#if defined(__ARM_FP) && (__ARM_FP & 8)  // there is double precision

extern "C" {
// The run-time ABI helpers return floats in integer registers also under the hard-float ABI.
[[gnu::pcs("aapcs")]] double __aeabi_l2d(std::int64_t value);
[[gnu::pcs("aapcs")]] float __aeabi_l2f(std::int64_t value);
}

// Both halves and the product are exact in double precision, so only the addition rounds.
extern "C" double __aeabi_l2d(std::int64_t value) {
    return static_cast<double>(static_cast<std::int32_t>(value >> 32)) * 4294967296.0 +
           static_cast<double>(static_cast<std::uint32_t>(value));
}

// Bits beyond double precision are folded into a sticky bit first, so that the result is rounded once, to float.
extern "C" float __aeabi_l2f(std::int64_t value) {
    const bool is_wide = static_cast<std::int32_t>(value >> 32) >> 20 != static_cast<std::int32_t>(value >> 63);
    if (is_wide && (value & 0x7FF)) value = (value & ~std::int64_t{0x7FF}) | 0x800;
    return static_cast<float>(__aeabi_l2d(value));
}

#endif
