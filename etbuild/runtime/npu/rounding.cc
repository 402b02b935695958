// Scaling: in 64 bits if value and multiplier fit 32 bits, else in 128 bits.
#include "npu/rounding.h"

namespace etb::npu {
namespace {

// (value * multiplier + term) / 2^shift in 128 bits, rounded toward minus infinity, saturated at 64 bits.
std::int64_t rescale_wide(std::int64_t value, const Scale& scale, std::int64_t term) {
    const bool negative = (value < 0) != (scale.multiplier < 0);
    const std::uint64_t a = value < 0 ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
    const auto m = static_cast<std::uint64_t>(scale.multiplier < 0 ? -scale.multiplier : scale.multiplier);
    const std::uint64_t low_product = (a & 0xFFFFFFFF) * m;
    const std::uint64_t high_product = (a >> 32) * m + (low_product >> 32);
    std::uint64_t low = (high_product << 32) | (low_product & 0xFFFFFFFF);
    std::uint64_t high = high_product >> 32;
    if (negative) {
        low = ~low + 1;
        high = ~high + (low == 0 ? 1 : 0);
    }
    const auto addend = static_cast<std::uint64_t>(term);
    low += addend;
    high += (term < 0 ? ~std::uint64_t{0} : 0) + (low < addend ? 1 : 0);
    auto top = static_cast<std::int64_t>(high);
    if (scale.shift > 0) {
        low = low >> scale.shift | high << (64 - scale.shift);
        top >>= scale.shift;
    }
    const auto result = static_cast<std::int64_t>(low);
    if (top == (result < 0 ? -1 : 0)) return result;
    return top < 0 ? INT64_MIN : INT64_MAX;
}

}  // namespace

std::int64_t rescale(std::int64_t value, const Scale& scale) {
    const std::int64_t term = scale.shift == 0 ? 0 : rounding_term(value < 0, scale);
    const bool narrow =
        value == static_cast<std::int32_t>(value) && scale.multiplier == static_cast<std::int32_t>(scale.multiplier);
    if (narrow && scale.shift <= 62) return (value * scale.multiplier + term) >> scale.shift;
    return rescale_wide(value, scale, term);
}

}  // namespace etb::npu
