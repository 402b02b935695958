// What the fast operations share: whether the output stage can be that of the kernels, and stores.
#pragma once

#include "fast/kernels.h"
#include "npu/machine.h"

namespace etb::fast {

// The most bytes that a thread keeps for the inputs of an operation; one that needs more is left to the family.
inline constexpr std::uint64_t most_input_bytes = 1 << 24;

// Whether the output is 8-bit values that are stored where they belong, and nothing is accumulated.
bool plain_order(const npu::Machine& machine, const npu::Operation& operation);
// Also whether the output stage is one that the kernels have.
bool plain_output(const npu::Machine& machine, const npu::Operation& operation);
// Whether no byte of one map is in the other.
bool apart(const npu::FeatureMap& a, const npu::FeatureMap& b);
// Whether the output is apart from the encoded weights and scales, which the family reads block by block, after it has
// stored the outputs of the block before.
bool apart_from_streams(const npu::Operation& operation);
bool same_places(const npu::FeatureMap& a, const npu::FeatureMap& b);
// Whether each element of the map has an address of its own, so that their order is of no importance. May answer no for
// a map where that is so.
bool distinct(const npu::FeatureMap& map);
inline bool repeats(const npu::FeatureMap& map) { return map.repeat_height || map.repeat_width || map.repeat_depth; }

// The bytes of channels [c, c + 16) of a pixel.
inline std::ptrdiff_t group_place(const npu::FeatureMap& map, std::size_t group) {
    return static_cast<std::ptrdiff_t>(map.channel(static_cast<std::int32_t>(group * lanes)));
}
inline std::ptrdiff_t pixel_step(const npu::FeatureMap& map) {
    return static_cast<std::ptrdiff_t>(map.brick ? std::int64_t{16} * map.element : map.stride_x);
}
// Pixels of row y from x on that are pixel_step apart, at most `count`.
inline std::int32_t straight(const npu::FeatureMap& map, std::int32_t x, std::int32_t count) {
    return x < map.width0 && count > map.width0 - x ? map.width0 - x : count;
}

// The output stage for `pixels` pixels of row y from x on, of one group of 16 channels.
struct Finish {
    const npu::Machine& machine;
    const npu::Operation& operation;
    const Kernels& kernels;
    const GroupScales* scales;

    void group(const std::int32_t* sums, std::size_t stride, std::int32_t y, std::int32_t x, std::int32_t pixels,
               std::size_t group) const;
};

}  // namespace etb::fast
