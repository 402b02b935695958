// Registers: extraction of a field.
#include "npu/registers.h"

namespace etb::npu {

std::int64_t Registers::get64(Field field) const {
    const auto packed = static_cast<std::uint32_t>(field);
    const std::uint32_t code = packed & 0xFF, low_bit = packed >> 9 & 63, bits = packed >> 15 & 63;
    std::uint64_t raw = narrow[code];
    if (packed >> 8 & 1) raw = low[code] | static_cast<std::uint64_t>(high[code]) << 32;
    raw <<= 64 - low_bit - bits;
    const auto number = packed >> 21 & 1 ? static_cast<std::int64_t>(raw) >> (64 - bits)
                                         : static_cast<std::int64_t>(raw >> (64 - bits));
    return number + (packed >> 22);
}

}  // namespace etb::npu
