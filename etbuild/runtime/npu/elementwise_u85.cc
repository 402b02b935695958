// ELEMENTWISE of Ethos-U85: a is scaled by IFM_SCALE, b by IFM2_SCALE, the result of f(a, b) by OFM_SCALE. Exceptions:
//   LRELU:             a scaled by IFM_SCALE, or by IFM2_SCALE if a < 0; then OFM_SCALE.
//   shifts, CLZ, DIV:  not scaled.
//   AND, OR, XOR, NOT, AND_NOT: only the result is scaled.
// A comparison gives -1 (all ones) or 0.
// source: TOSA 1.0 and how Vela lowers it. Tested by tests/npu/grid.py except what is listed under Inaccuracies in
// npu/commands.h.
#include "npu/elementwise.h"

namespace etb::npu {
namespace {

bool scales_operands(ElementwiseMode mode) {
    const auto code = static_cast<unsigned>(mode);
    return code <= static_cast<unsigned>(ElementwiseMode::max_) || mode == ElementwiseMode::abs_ ||
           (code >= static_cast<unsigned>(ElementwiseMode::eq_) && code <= static_cast<unsigned>(ElementwiseMode::gt_));
}

bool scales_result(ElementwiseMode mode) {
    return scales_operands(mode) || mode == ElementwiseMode::lrelu_ ||
           static_cast<unsigned>(mode) >= static_cast<unsigned>(ElementwiseMode::eq_);
}

std::int64_t truth(bool value) { return value ? -1 : 0; }

std::int64_t combined(const Operation& operation, ElementwiseMode mode, std::int64_t a, std::int64_t b) {
    switch (mode) {
        case ElementwiseMode::mul_:
            return wrapping_product(a, b);
        case ElementwiseMode::add_:
            return wrapping_sum(a, b);
        case ElementwiseMode::sub_:
            return wrapping_difference(a, b);
        case ElementwiseMode::min_:
            return a < b ? a : b;
        case ElementwiseMode::max_:
            return a > b ? a : b;
        case ElementwiseMode::lrelu_:
            return rescale(a, a < 0 ? operation.scale_b : operation.scale_a);
        case ElementwiseMode::abs_:
            return a < 0 ? wrapping_difference(0, a) : a;
        case ElementwiseMode::clz_:
            return count_leading_zeros(a);
        case ElementwiseMode::shr_:
            return shifted_right(a, b, operation.scale.rounding == Rounding::down);
        case ElementwiseMode::shl_:
            return shifted_left(a, b);
        case ElementwiseMode::lsr_:
            return b < 0 || b > 31 ? 0 : static_cast<std::uint32_t>(static_cast<std::uint64_t>(a)) >> b;
        case ElementwiseMode::div_:
            return b == 0 ? 0 : b == -1 ? wrapping_difference(0, a) : a / b;
        case ElementwiseMode::eq_:
            return truth(a == b);
        case ElementwiseMode::ne_:
            return truth(a != b);
        case ElementwiseMode::ge_:
            return truth(a >= b);
        case ElementwiseMode::gt_:
            return truth(a > b);
        case ElementwiseMode::and_:
            return a & b;
        case ElementwiseMode::or_:
            return a | b;
        case ElementwiseMode::xor_:
            return a ^ b;
        case ElementwiseMode::not_:
            return ~a;
        case ElementwiseMode::and_not_:
            return a & ~b;
    }
    return a;
}

void combine(const Operation& operation, const Operands& operands) {
    const auto mode = static_cast<ElementwiseMode>(operation.mode & 63);
    const bool before = scales_operands(mode), after = scales_result(mode);
    for (std::size_t i = 0; i < operands.a.size; ++i) {
        std::int64_t a = operands.a[i], b = operation.uses_ifm2 ? operands.b[i] : 0;
        if (before) {
            a = rescale(a, operation.scale_a);
            b = rescale(b, operation.scale_b);
        }
        const std::int64_t value = combined(operation, mode, a, b);
        operands.a[i] = after ? rescale(value, operation.scale) : value;
    }
}

}  // namespace

Verdict elementwise_u85(Machine& machine, Operation& operation) {
    return elementwise_rows(machine, operation, combine);
}

}  // namespace etb::npu
