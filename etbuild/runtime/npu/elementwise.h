// What both families' ELEMENTWISE share: a row of operands at a time.
#pragma once

#include "npu/output.h"

namespace etb::npu {

// One pixel's operands less their zero points; the result replaces a.
struct Operands {
    Span<std::int64_t> a, b;
};

// Brings every pixel's operands to `combine` and its results to the output stage.
Verdict elementwise_rows(Machine& machine, Operation& operation,
                         void (*combine)(const Operation& operation, const Operands& operands));

bool is_unary(ElementwiseMode mode);
std::int64_t count_leading_zeros(std::int64_t value);
// value / 2^shift, half up; toward minus infinity where `down`. Shifts outside 1..62 are clamped to 0 and 62.
std::int64_t shifted_right(std::int64_t value, std::int64_t shift, bool down);
// In 32 bits; 0 for shifts outside 0..31.
std::int64_t shifted_left(std::int64_t value, std::int64_t shift);

}  // namespace etb::npu
