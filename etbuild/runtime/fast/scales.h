// A scale of npu/ as the kernels take it.
#pragma once

#include "fast/kernels.h"
#include "npu/rounding.h"

namespace etb::fast {

// Sets channel c of the group. false: out of the kernels' range. A shift below 32 becomes one of 32, with as many times
// the multiplier and the terms.
inline bool set_scale(GroupScales& group, std::size_t c, std::int64_t bias, const npu::Scale& scale) {
    const int more = scale.shift < 32 ? 32 - scale.shift : 0;
    if (scale.multiplier < 0 || scale.multiplier > INT32_MAX >> (more < 31 ? more : 31) || scale.shift > 62)
        return false;
    const std::size_t place = c % 2 * (lanes / 2) + c / 2;
    const auto term = [&](bool negative) {
        return scale.shift == 0 ? 0 : npu::rounding_term(negative, scale) * (std::int64_t{1} << more);
    };
    // The sums wrap at 32 bits, and so does the bias; what they are together fits.
    group.bias[c] = static_cast<std::int32_t>(static_cast<std::uint32_t>(static_cast<std::uint64_t>(bias)));
    group.multiplier[c] = static_cast<std::int32_t>(scale.multiplier << more);
    group.shift[c] = scale.shift + more - 32;
    group.positive[place] = term(false);
    group.negative[place] = term(true);
    return true;
}

}  // namespace etb::fast
