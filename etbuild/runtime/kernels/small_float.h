// Floating point types of 16 bits: the nearest value of a double, ties to even, and back.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

namespace etb {

// mantissa: its stored bits. least: the exponent of the smallest normal number, 2^least; scale: 2^least / 2^-126, which
// is that of float.
struct Binary16 {
    static constexpr int mantissa = 10, least = -14;
    static constexpr float scale = 0x1p112f;
};
struct Bfloat16 {
    static constexpr int mantissa = 7, least = -126;
    static constexpr float scale = 1;
};

// The elements of a tensor of this type.
template <class Format>
struct SmallFloat {
    std::uint16_t bits;

    static constexpr std::uint16_t sign = 0x8000;
    static constexpr std::uint16_t infinity = 0x8000 - (1 << Format::mantissa);

    static SmallFloat of(double x) {
        const std::uint16_t negative = std::signbit(x) ? sign : 0;
        if (std::isinf(x)) return {static_cast<std::uint16_t>(infinity | negative)};
        if (x != x) return {static_cast<std::uint16_t>(infinity | 1 << (Format::mantissa - 1) | negative)};
        if (x == 0) return {negative};
        x = std::fabs(x);
        int exponent = 0;
        std::frexp(x, &exponent);  // 2^(exponent - 1) <= x < 2^exponent
        exponent = exponent - 1 < Format::least ? Format::least : exponent - 1;
        if (exponent > 1 - Format::least) return {static_cast<std::uint16_t>(infinity | negative)};
        // In units of the last bit; a normal number has the bit 1 << mantissa, which adds 1 to the exponent's field.
        const double units = std::nearbyint(std::ldexp(x, Format::mantissa - exponent));
        const int magnitude = ((exponent - Format::least) << Format::mantissa) + static_cast<int>(units);
        return {static_cast<std::uint16_t>((magnitude < infinity ? magnitude : infinity) | negative)};
    }
    [[nodiscard]] float value() const {
        // The bits as those of a float, whose exponent is then too small by that of `scale`.
        const std::uint32_t magnitude = bits & 0x7FFFu;
        std::uint32_t pattern = magnitude << (23 - Format::mantissa);
        if (magnitude >= infinity) pattern |= 0x7F800000u;
        pattern |= std::uint32_t{bits & std::uint32_t{sign}} << 16;
        float x;
        std::memcpy(&x, &pattern, sizeof x);
        return x * Format::scale;
    }
};

}  // namespace etb
