// The part of ELEMENTWISE that both families share: the loop over pixels, and arithmetic.
#pragma once

#include "npu/output.h"

namespace etb::npu {

// The operands of one pixel, [depth], zero points subtracted. The result overwrites a.
struct Operands {
    Span<std::int64_t> a, b;
};

// For every pixel: loads the operands, calls `combine`, passes the result to the output stage.
Verdict elementwise_rows(Machine& machine, Operation& operation,
                         void (*combine)(const Operation& operation, const Operands& operands));

bool is_unary(ElementwiseMode mode);
std::int64_t count_leading_zeros(std::int64_t value);
// value / 2^shift, rounded half up, or toward minus infinity if `down`. A shift is clamped to 0..62.
std::int64_t shifted_right(std::int64_t value, std::int64_t shift, bool down);
// value << shift in 32 bits, sign-extended; 0 for a shift outside 0..31.
std::int64_t shifted_left(std::int64_t value, std::int64_t shift);

}  // namespace etb::npu
