// Feature maps: addresses, their extent, loads and stores.
#include "npu/feature_map.h"

#include <initializer_list>

#include "base/little_endian.h"

namespace etb::npu {
namespace {

// The range of offsets that a number of strided steps covers.
struct Extent {
    std::int64_t low = 0, high = 0;

    void step(std::int64_t stride, std::int64_t count) { (stride < 0 ? low : high) += stride * (count - 1); }
};

// The offsets of the channels of one pixel, relative to channel 0.
Extent channel_extent(const FeatureMap& map) {
    const std::int32_t last = map.shape.depth - 1, bricks = last >> 4;
    Extent extent;
    extent.high = map.channel(last);
    if (!map.brick || bricks == 0) return extent;
    if (map.stride_c < 0) extent.low = bricks * map.stride_c;
    for (const std::int32_t c : {std::int32_t{15}, bricks * 16 - 1})
        if (map.channel(c) > extent.high) extent.high = map.channel(c);
    return extent;
}

void include_tile(const FeatureMap& map, int tile, std::int64_t rows, std::int64_t columns, Extent& all, bool& any) {
    if (rows <= 0 || columns <= 0) return;
    Extent extent = channel_extent(map);
    extent.step(map.stride_y, rows);
    extent.step(map.brick ? 16 * map.element : map.stride_x, columns);
    extent.low += map.base[tile];
    extent.high += map.base[tile] + map.element;
    if (!any || extent.low < all.low) all.low = extent.low;
    if (!any || extent.high > all.high) all.high = extent.high;
    any = true;
}

std::int64_t element(const FeatureMap& map, const std::uint8_t* from) {
    switch (map.element * 2 + (map.is_signed ? 1 : 0)) {
        case 2:
            return *from;
        case 3:
            return load<std::int8_t>(from);
        case 4:
            return load<std::uint16_t>(from);
        case 5:
            return load<std::int16_t>(from);
        case 8:
            return load<std::uint32_t>(from);
        case 9:
            return load<std::int32_t>(from);
        default:
            return load<std::int64_t>(from);
    }
}

void convert_run(const FeatureMap& map, const std::uint8_t* from, std::int32_t count, std::int16_t* out) {
    const std::int32_t zero_point = map.zero_point;
    if (map.is_signed)
        for (std::int32_t i = 0; i < count; ++i)
            out[i] = static_cast<std::int16_t>(load<std::int8_t>(from + i) - zero_point);
    else
        for (std::int32_t i = 0; i < count; ++i) out[i] = static_cast<std::int16_t>(from[i] - zero_point);
}

template <class To>
void convert_run(const FeatureMap& map, const std::uint8_t* from, std::int32_t count, To* out) {
    for (std::int32_t i = 0; i < count; ++i, from += map.element)
        out[i] = static_cast<To>(static_cast<std::uint64_t>(element(map, from)) -
                                 static_cast<std::uint64_t>(std::int64_t{map.zero_point}));
}

}  // namespace

std::int64_t FeatureMap::pixel(std::int32_t y, std::int32_t x) const {
    int tile = 0;
    if (x >= width0) {
        x -= width0;
        tile = 1;
        if (y >= height1) {
            y -= height1;
            tile = 3;
        }
    } else if (y >= height0) {
        y -= height0;
        tile = 2;
    }
    return base[tile] + y * stride_y + x * (brick ? std::int64_t{16} * element : stride_x);
}

bool address_range(const FeatureMap& map, std::int64_t& first, std::int64_t& end) {
    if (map.shape.empty()) return false;
    const std::int32_t height = map.shape.height, width = map.shape.width;
    const std::int32_t left = width < map.width0 ? width : map.width0, right = width - left;
    const std::int32_t top0 = height < map.height0 ? height : map.height0;
    const std::int32_t top1 = height < map.height1 ? height : map.height1;
    Extent all;
    bool any = false;
    include_tile(map, 0, top0, left, all, any);
    include_tile(map, 2, height - top0, left, all, any);
    include_tile(map, 1, top1, right, all, any);
    include_tile(map, 3, height - top1, right, all, any);
    first = all.low;
    end = all.high;
    return any;
}

template <class T>
void load_channels(const FeatureMap& map, std::int32_t y, std::int32_t x, std::int32_t c, std::int32_t count, T* out) {
    if (map.storage == Storage::none) {
        for (std::int32_t i = 0; i < count; ++i) out[i] = static_cast<T>(std::int64_t{map.scalar} - map.zero_point);
        return;
    }
    const std::uint8_t* at = map.memory + map.pixel(map.repeat_height ? 0 : y, map.repeat_width ? 0 : x);
    if (map.repeat_depth) {
        convert_run(map, at, 1, out);
        for (std::int32_t i = 1; i < count; ++i) out[i] = out[0];
        return;
    }
    while (count > 0) {
        const std::int32_t run = map.run(c, count);
        convert_run(map, at + map.channel(c), run, out);
        c += run;
        out += run;
        count -= run;
    }
}

template void load_channels(const FeatureMap&, std::int32_t, std::int32_t, std::int32_t, std::int32_t, std::int16_t*);
template void load_channels(const FeatureMap&, std::int32_t, std::int32_t, std::int32_t, std::int32_t, std::int32_t*);
template void load_channels(const FeatureMap&, std::int32_t, std::int32_t, std::int32_t, std::int32_t, std::int64_t*);

void store_channels(const FeatureMap& map, std::int32_t y, std::int32_t x, std::int32_t c, std::int32_t count,
                    const std::int64_t* values) {
    std::uint8_t* at = map.memory + map.pixel(y, x);
    for (std::int32_t i = 0; i < count; ++i) {
        std::uint8_t* to = at + map.channel(c + i);
        switch (map.element) {
            case 1:
                store(to, static_cast<std::uint8_t>(values[i]));
                break;
            case 2:
                store(to, static_cast<std::uint16_t>(values[i]));
                break;
            case 4:
                store(to, static_cast<std::uint32_t>(values[i]));
                break;
            default:
                store(to, values[i]);
        }
    }
}

}  // namespace etb::npu
