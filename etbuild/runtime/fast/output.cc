// Which outputs the kernels can write, and how they are written.
#include "fast/output.h"

#include <algorithm>
#include <iterator>

namespace etb::fast {
namespace {

using npu::FeatureMap;

struct Range {
    std::uintptr_t first = 0, end = 0;
};

Range range_of(const FeatureMap& map) {
    std::int64_t first = 0, end = 0;
    if (!npu::address_range(map, first, end)) return {};
    const auto memory = reinterpret_cast<std::uintptr_t>(map.memory);
    return {memory + static_cast<std::uintptr_t>(first), memory + static_cast<std::uintptr_t>(end)};
}

// One dimension: the distance of its elements, and their number.
struct Dimension {
    std::int64_t stride, count;
};

// Whether the elements of a part of a map with this many rows and columns have addresses of their own.
bool distinct_part(const FeatureMap& map, std::int32_t rows, std::int32_t columns) {
    const std::int32_t depth = map.shape.depth;
    Dimension all[] = {{map.stride_y, rows},
                       {static_cast<std::int64_t>(pixel_step(map)), columns},
                       {map.element, map.brick && depth > 16 ? 16 : depth},
                       {map.stride_c, map.brick ? (depth + 15) / 16 : 1}};
    std::sort(std::begin(all), std::end(all),
              [](const Dimension& a, const Dimension& b) { return a.stride < b.stride; });
    std::int64_t end = map.element;  // of what the smaller dimensions cover
    for (const Dimension& one : all) {
        if (one.count == 1) continue;
        if (one.stride < end) return false;
        end += one.stride * (one.count - 1);
    }
    return true;
}

}  // namespace

bool plain_order(const npu::Machine& machine, const npu::Operation& operation) {
    return operation.transpose == npu::Transpose::hwc && operation.reverse == npu::Reverse::none &&
           operation.uses_ofm && !operation.output_disabled && operation.ofm.element == 1 &&
           operation.ofm.storage != npu::Storage::none && machine.accumulators.values.empty() &&
           operation.accumulator_input == npu::AccumulatorInput::reset;
}

bool plain_output(const npu::Machine& machine, const npu::Operation& operation) {
    const npu::Activation& activation = operation.activation;
    return plain_order(machine, operation) && distinct(operation.ofm) && activation.clamp &&
           activation.min <= activation.max &&
           (activation.table == npu::Table::none || activation.table == npu::Table::to_8);
}

bool apart(const FeatureMap& a, const FeatureMap& b) {
    const Range first = range_of(a), second = range_of(b);
    return first.end <= second.first || second.end <= first.first;
}

bool apart_from_streams(const npu::Operation& operation) {
    const Range output = range_of(operation.ofm);
    const auto is_apart = [&](Bytes stream) {
        const auto first = reinterpret_cast<std::uintptr_t>(stream.data);
        return first + stream.size <= output.first || output.end <= first;
    };
    for (int i = 0; i < operation.weights.cores; ++i)
        if (!is_apart(operation.weights.streams[i])) return false;
    for (int i = 0; operation.uses_scales && i < operation.channel_scales.cores; ++i)
        if (!is_apart(operation.channel_scales.streams[i])) return false;
    return true;
}

bool same_places(const FeatureMap& a, const FeatureMap& b) {
    for (int i = 0; i < 4; ++i)
        if (a.base[i] != b.base[i]) return false;
    return a.memory == b.memory && a.stride_y == b.stride_y && a.stride_x == b.stride_x && a.stride_c == b.stride_c &&
           a.height0 == b.height0 && a.height1 == b.height1 && a.width0 == b.width0 && a.brick == b.brick &&
           a.element == b.element;
}

bool distinct(const FeatureMap& map) {
    if (map.shape.empty()) return true;
    if (map.shape.width > map.width0) return false;
    if (map.shape.height <= map.height0) return distinct_part(map, map.shape.height, map.shape.width);
    FeatureMap upper = map, lower = map;
    upper.shape.height = map.height0;
    lower.shape.height = map.shape.height - map.height0;
    lower.base[0] = map.base[2];
    lower.height0 = lower.shape.height;
    return map.height0 > 0 && distinct_part(map, map.shape.height, map.shape.width) && apart(upper, lower);
}

void Finish::group(const std::int32_t* sums, std::size_t stride, std::int32_t y, std::int32_t x, std::int32_t pixels,
                   std::size_t group) const {
    const FeatureMap& map = operation.ofm;
    const npu::Activation& activation = operation.activation;
    const std::size_t left = static_cast<std::size_t>(operation.out.depth) - group * lanes;
    Rescale work{};
    work.stride = stride;
    work.scales = scales + group;
    work.low = activation.min - map.zero_point;
    work.high = activation.max - map.zero_point;
    work.zero_point = map.zero_point;
    work.count = left < lanes ? left : lanes;
    work.step = pixel_step(map);
    while (pixels > 0) {
        const std::int32_t run = straight(map, x, pixels);
        work.sums = sums;
        work.pixels = static_cast<std::size_t>(run);
        work.to = map.memory + map.pixel(y, x) + group_place(map, group);
        kernels.rescale(work);
        if (activation.table == npu::Table::to_8) {
            const std::uint8_t* const table = machine.tables.data + activation.table_offset;
            for (std::size_t p = 0; p < work.pixels; ++p) {
                std::uint8_t* const to = work.to + static_cast<std::ptrdiff_t>(p) * work.step;
                for (std::size_t c = 0; c < work.count; ++c)
                    to[c] = table[(to[c] + static_cast<std::uint32_t>(activation.bias)) & 255];
            }
        }
        x += run;
        pixels -= run;
        sums += static_cast<std::size_t>(run) * stride;
    }
}

}  // namespace etb::fast
