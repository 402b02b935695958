// Requantisation: an int32 accumulator times a real scale, given as a Q31 multiplier and a power of two; as in
// CMSIS-NN's arm_nn_requantize and in ExecuTorch's requantize_cmsis.
#pragma once

#include "kernels/kernel.h"

namespace etb {

// x -> nearest(x * 2^left * multiplier / 2^31), ties up, then / 2^right rounded to nearest, ties away from zero.
// The product wraps at 64 bits and the result at 32, as in PyTorch.
struct Requantize {
    std::int64_t multiplier = 0;
    int left = 0;
    int right = 0;

    // shift: the power of two; left where it is positive. mismatch: a number that no such operator has.
    static Status of(std::int64_t multiplier, std::int64_t shift, Requantize& made) {
        if (multiplier < INT32_MIN || multiplier > INT32_MAX)
            return error(Code::mismatch, "requantize: multiplier is no Q31 number",
                         static_cast<std::uint64_t>(multiplier));
        if (shift < -62 || shift > 31)
            return error(Code::mismatch, "requantize: shift out of range", static_cast<std::uint64_t>(shift));
        made = {multiplier, shift > 0 ? static_cast<int>(shift) : 0, shift < 0 ? static_cast<int>(-shift) : 0};
        return {};
    }

    [[nodiscard]] std::int32_t operator()(std::int32_t x) const {
        std::uint64_t product = static_cast<std::uint64_t>(std::int64_t{x}) << left;
        product = product * static_cast<std::uint64_t>(multiplier) + (1u << 30);
        std::int64_t result = static_cast<std::int64_t>(product) >> 31;
        if (right > 0) {
            const std::int64_t mask = (std::int64_t{1} << right) - 1;
            const std::int64_t rest = result & mask;
            result >>= right;
            if (rest > (mask >> 1) + (result < 0 ? 1 : 0)) ++result;
        }
        return static_cast<std::int32_t>(result);
    }
};

// The end of an integer operator: adds the output's zero point and limits to the activation's range.
struct Finish {
    std::int32_t zero_point = 0;
    std::int64_t low = -128;
    std::int64_t high = 127;

    // x wraps at 32 bits when the zero point is added.
    [[nodiscard]] std::int8_t operator()(std::int32_t x) const {
        std::int64_t y =
            static_cast<std::int32_t>(static_cast<std::uint32_t>(x) + static_cast<std::uint32_t>(zero_point));
        if (y < low) y = low;
        if (y > high) y = high;
        return static_cast<std::int8_t>(y);
    }
};

// Scales by channel: multipliers and shifts, [channels] int32 each.
struct ChannelScales {
    const Tensor& multipliers;
    const Tensor& shifts;

    [[nodiscard]] Status check(std::int32_t channels) const {
        if (multipliers.dtype != DType::i32 || shifts.dtype != DType::i32)
            return error(Code::mismatch, "multipliers and shifts of channels are not int32");
        const auto wanted = static_cast<std::size_t>(channels);
        if (multipliers.count() < wanted || shifts.count() < wanted)
            return error(Code::mismatch, "fewer multipliers or shifts than channels", wanted);
        return {};
    }
    [[nodiscard]] Status of(std::int32_t channel, Requantize& made) const {
        return Requantize::of(multipliers.as<std::int32_t>()[channel], shifts.as<std::int32_t>()[channel], made);
    }
};

// The sum of (a + a_offset) * (b + b_offset) over `count` pairs of int8, wrapping at 32 bits. steps: in elements.
inline std::uint32_t products(const std::int8_t* a, std::ptrdiff_t a_step, std::int32_t a_offset, const std::int8_t* b,
                              std::ptrdiff_t b_step, std::int32_t b_offset, std::int32_t count) {
    const auto product = [=](std::int8_t x, std::int8_t y) {
        return (static_cast<std::uint32_t>(x) + static_cast<std::uint32_t>(a_offset)) *
               (static_cast<std::uint32_t>(y) + static_cast<std::uint32_t>(b_offset));
    };
    std::uint32_t sum = 0;
    // Four at a time where both lie in one row: a third fewer instructions.
    if (a_step == 1 && b_step == 1)
        for (; count >= 4; count -= 4, a += 4, b += 4)
            sum += product(a[0], b[0]) + product(a[1], b[1]) + product(a[2], b[2]) + product(a[3], b[3]);
    for (; count > 0; --count, a += a_step, b += b_step) sum += product(*a, *b);
    return sum;
}

}  // namespace etb
