// ELEMENTWISE, the loop over pixels: out[y][x][c] = f(ifm[y][x][c] - zp, ifm2[y][x][c] - zp2), with broadcast
// dimensions and scalars. A pixel is loaded before it is stored, so the OFM may have the memory of an operand.
#include "npu/elementwise.h"

namespace etb::npu {

bool is_unary(ElementwiseMode mode) {
    return mode == ElementwiseMode::lrelu_ || mode == ElementwiseMode::abs_ || mode == ElementwiseMode::clz_ ||
           mode == ElementwiseMode::not_;
}

std::int64_t count_leading_zeros(std::int64_t value) {
    auto bits = static_cast<std::uint32_t>(static_cast<std::uint64_t>(value));
    std::int64_t zeros = 32;
    for (; bits; bits >>= 1) --zeros;
    return zeros;
}

std::int64_t shifted_right(std::int64_t value, std::int64_t shift, bool down) {
    if (shift <= 0) return value;
    const int by = static_cast<int>(shift < 62 ? shift : 62);
    return down ? value >> by : wrapping_sum(value, std::int64_t{1} << (by - 1)) >> by;
}

std::int64_t shifted_left(std::int64_t value, std::int64_t shift) {
    if (shift < 0 || shift > 31) return 0;
    return static_cast<std::int32_t>(static_cast<std::uint32_t>(static_cast<std::uint64_t>(value)) << shift);
}

Verdict elementwise_rows(Machine& machine, Operation& operation,
                         void (*combine)(const Operation& operation, const Operands& operands)) {
    const Shape& out = operation.out;
    const auto depth = static_cast<std::uint64_t>(out.depth);
    Span<std::int64_t> ifm, ifm2;
    ETB_ACCEPT(take(machine, depth, ifm));
    ETB_ACCEPT(take(machine, depth, ifm2));
    if (machine.planning) return {};
    const Operands operands = operation.swap_operands ? Operands{ifm2, ifm} : Operands{ifm, ifm2};
    for (std::int32_t y = 0; y < out.height; ++y)
        for (std::int32_t x = 0; x < out.width; ++x) {
            load_channels(operation.ifm, y, x, 0, out.depth, ifm.data);
            if (operation.uses_ifm2) load_channels(operation.ifm2, y, x, 0, out.depth, ifm2.data);
            combine(operation, operands);
            finish_scaled(machine, operation, {y, x, 0, out.depth}, operands.a.data);
        }
    return {};
}

}  // namespace etb::npu
