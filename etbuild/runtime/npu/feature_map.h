// A feature map: the address of element (y, x, c) of a tensor, and loads and stores of runs of channels.
//
// Address = tile base + y * stride_y + (NHWC: x * stride_x + c * element; NHCWB16: x * 16 * element + c / 16 * stride_c
// + c % 16 * element). Tile 0 is x < width0 and y < height0, tile 2 below it, tile 1 right of it (with height1), tile 3
// below tile 1; y and x are relative to the tile.
#pragma once

#include "base/span.h"

namespace etb::npu {

struct Shape {
    std::int32_t height = 0;
    std::int32_t width = 0;
    std::int32_t depth = 0;

    [[nodiscard]] bool empty() const { return height <= 0 || width <= 0 || depth <= 0; }
};

// memory: a region. chain: one of Ethos-U85's chain buffers. none: a scalar input, or an OFM that is not written.
enum class Storage : std::uint8_t { memory, chain, none };

struct FeatureMap {
    std::uint8_t* memory = nullptr;  // address 0 of the region, or the chain buffer
    std::int64_t base[4] = {};
    std::int64_t stride_y = 0, stride_x = 0, stride_c = 0;
    std::int32_t height0 = 0, height1 = 0, width0 = 0;
    Shape shape;  // of the part that the operation accesses
    std::int32_t zero_point = 0;
    std::int32_t scalar = 0;   // the value of storage `none`
    std::uint8_t element = 1;  // bytes: 1, 2, 4, 8
    bool is_signed = false;
    bool brick = false;                                                      // NHCWB16
    bool repeat_height = false, repeat_width = false, repeat_depth = false;  // broadcast along it
    Storage storage = Storage::memory;
    std::uint8_t region = 0;  // or the number of the chain buffer

    // Address of (y, x, 0), and of channel c beyond it.
    [[nodiscard]] std::int64_t pixel(std::int32_t y, std::int32_t x) const;
    [[nodiscard]] std::int64_t channel(std::int32_t c) const {
        return brick ? (c >> 4) * stride_c + static_cast<std::int64_t>(c & 15) * element
                     : static_cast<std::int64_t>(c) * element;
    }
    // Number of contiguous channels from c on, at most `count`.
    [[nodiscard]] std::int32_t run(std::int32_t c, std::int32_t count) const {
        return brick && count > 16 - (c & 15) ? 16 - (c & 15) : count;
    }
};

// The lowest and one past the highest address that map.shape covers. false: it is empty.
bool address_range(const FeatureMap& map, std::int64_t& first, std::int64_t& end);

// Loads channels [c, c + count) of pixel (y, x) and subtracts the zero point. T: int16_t (8-bit maps), int32_t (up to
// 32 bits; wraps) or int64_t. Broadcast dimensions and scalars are expanded.
template <class T>
void load_channels(const FeatureMap& map, std::int32_t y, std::int32_t x, std::int32_t c, std::int32_t count, T* out);

// Stores the low bytes of each value in channels [c, c + count).
void store_channels(const FeatureMap& map, std::int32_t y, std::int32_t x, std::int32_t c, std::int32_t count,
                    const std::int64_t* values);

}  // namespace etb::npu
