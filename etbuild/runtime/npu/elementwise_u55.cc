// ELEMENTWISE of Ethos-U55 and U65, f(a, b) by mode:
//   ADD, SUB: operands scaled by scale mode, then the result by OFM_SCALE. Scale mode OPA_OPB_16: a * OPA, b * OPB.
//             OPA_32: a rescaled by OPA's scale and shift, b shifted left by 19 (8-bit maps) or 14 (other maps).
//             OPB_32: the same with a and b exchanged; it uses the OPA registers too.
//   MUL, ABS: the result is scaled by OFM_SCALE; a 32-bit MUL with shift 0 wraps.
//   MIN, MAX, CLZ, SHR, SHL: not scaled.
//   LRELU:    a, scaled by OFM_SCALE if a < 0.
// source: TOSA 1.0 and how Vela lowers it. ADD, SUB, MUL, ABS, MIN, MAX are tested by tests/npu/grid.py; the other
// modes are unverified.
#include "npu/elementwise.h"

namespace etb::npu {
namespace {

void scale_operands(const Operation& operation, const Operands& operands) {
    const auto mode = static_cast<unsigned>(operation.registers->get(reg55::ifm_precision_scale_mode));
    const std::int64_t fixed = std::int64_t{1} << (operation.ifm.element == 1 ? 19 : 14);
    for (std::size_t i = 0; i < operands.a.size; ++i) {
        std::int64_t &a = operands.a[i], &b = operands.b[i];
        if (mode == reg55::ifm_precision_scale_mode_opa_opb_16) {
            a = wrapping_product(a, operation.scale_a.multiplier);
            b = wrapping_product(b, operation.scale_b.multiplier);
        } else if (mode == reg55::ifm_precision_scale_mode_opa_32) {
            a = rescale(a, operation.scale_a);
            b = wrapping_product(b, fixed);
        } else {
            b = rescale(b, operation.scale_a);
            a = wrapping_product(a, fixed);
        }
    }
}

std::int64_t combined(const Operation& operation, ElementwiseMode mode, std::int64_t a, std::int64_t b) {
    switch (mode) {
        case ElementwiseMode::mul_: {
            const std::int64_t product = wrapping_product(a, b);
            const bool wraps = operation.ifm.element == 4 && operation.scale.shift == 0;
            return wraps ? static_cast<std::int32_t>(static_cast<std::uint32_t>(static_cast<std::uint64_t>(product)))
                         : product;
        }
        case ElementwiseMode::add_:
            return wrapping_sum(a, b);
        case ElementwiseMode::sub_:
            return wrapping_difference(a, b);
        case ElementwiseMode::min_:
            return a < b ? a : b;
        case ElementwiseMode::max_:
            return a > b ? a : b;
        case ElementwiseMode::lrelu_:
            return a < 0 ? rescale(a, operation.scale) : a;
        case ElementwiseMode::abs_:
            return a < 0 ? wrapping_difference(0, a) : a;
        case ElementwiseMode::clz_:
            return count_leading_zeros(a);
        case ElementwiseMode::shr_:
            return shifted_right(a, b, operation.scale.rounding == Rounding::truncate && a >= 0);
        case ElementwiseMode::shl_:
            return shifted_left(a, b);
        default:
            return a;
    }
}

void combine(const Operation& operation, const Operands& operands) {
    const auto mode = static_cast<ElementwiseMode>(operation.mode & 63);
    const bool sums = mode == ElementwiseMode::add_ || mode == ElementwiseMode::sub_;
    if (sums) scale_operands(operation, operands);
    const bool scaled = sums || mode == ElementwiseMode::mul_ || mode == ElementwiseMode::abs_;
    for (std::size_t i = 0; i < operands.a.size; ++i) {
        const std::int64_t value = combined(operation, mode, operands.a[i], operands.b[i]);
        operands.a[i] = scaled ? rescale(value, operation.scale) : value;
    }
}

}  // namespace

Verdict elementwise_u55(Machine& machine, Operation& operation) {
    return elementwise_rows(machine, operation, combine);
}

}  // namespace etb::npu
