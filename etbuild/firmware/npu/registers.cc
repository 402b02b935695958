// Registers: taking a field out of its register.
#include "npu/registers.h"

namespace etb::npu {

std::int64_t Registers::get64(Field field) const {
    std::uint64_t raw = narrow[field.code];
    if (field.wide) raw = low[field.code] | static_cast<std::uint64_t>(high[field.code]) << 32;
    const int above = 64 - field.low - field.bits;
    raw <<= above;
    const int down = 64 - field.bits;
    const auto number = field.is_signed ? static_cast<std::int64_t>(raw) >> down : static_cast<std::int64_t>(raw >> down);
    return number + field.plus;
}

}  // namespace etb::npu
