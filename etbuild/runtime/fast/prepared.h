// The weights and scales of a convolution as the kernels read them. They are decoded once and shared by all threads of
// the process, as long as the encoded bytes are the same.
#pragma once

#include <memory>
#include <vector>

#include "fast/kernels.h"
#include "npu/machine.h"

namespace etb::fast {

struct Prepared {
    bool usable = false;  // false: some weight or scale is out of the kernels' range
    bool quads = false;   // format of the weights; else pairs
    std::size_t steps = 0, groups = 0;
    std::vector<std::uint8_t> weights;
    std::vector<GroupScales> scales;
    npu::Counters counters;
};

// What is added to an 8-bit input to make it unsigned, and its zero point after that.
inline std::int32_t offset_of(const npu::FeatureMap& map) { return map.is_signed ? 128 : 0; }
inline std::int32_t zero_of(const npu::FeatureMap& map) { return map.zero_point + offset_of(map); }

// Of a CONV or DEPTHWISE with an 8-bit IFM. Null if its weights cannot be decoded.
std::shared_ptr<const Prepared> prepared(const npu::Operation& operation, const Kernels& kernels);

}  // namespace etb::fast
