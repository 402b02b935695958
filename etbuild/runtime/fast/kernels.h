// The inner loops of the fast operations, in one version for each set of instructions. Only plain data crosses this
// interface: a version is compiled for more than the oldest processor has, and no other code may be compiled with it.
//
// Channels come in groups of 16. Two formats of weights:
//   pairs   int16, of the products [group][step][16 channels][2], of the taps [group][tap][16 channels]
//   quads   int8,  of the products [group][step][16 channels][4], of the taps [group][row][step][16 channels][4
//   columns]
#pragma once

#include <cstddef>
#include <cstdint>

namespace etb::fast {

inline constexpr std::size_t lanes = 16;
inline constexpr std::size_t most_pixels = 8;  // of one Products

// sums[pixel][group][16] = sum over i of inputs[pixel][i] * weights. inputs: int16 (pairs) or uint8 (quads), of a
// multiple of 2 or 4 elements. row: bytes from one pixel's inputs to the next's. pixels: 1 to most_pixels.
struct Products {
    const std::uint8_t* inputs;
    std::size_t row, pixels, steps;
    const void* weights;
    std::size_t groups;
    std::int32_t* sums;
};

// sums[pixel][16] = sum over the rows and columns of the window of rows[ky][pixel * stride + kx * dilation][16] *
// weights. quads: dilation 1; 48 bytes behind each row are read.
struct Taps {
    const std::uint8_t* const* rows;
    std::size_t height, width, dilation, stride, pixels;
    const void* weights;
    std::int32_t* sums;
};

// Bias and scale of 16 channels. shift: less 32. The terms are added before the shift, the first for sums from 0 on,
// the second for negative ones; of both the channels 0, 2, 4... are before 1, 3, 5...
struct alignas(64) GroupScales {
    std::int32_t bias[lanes], multiplier[lanes], shift[lanes];
    std::int64_t positive[lanes], negative[lanes];
};

// to[pixel][c] = clamp((sums[pixel][c] + bias) * multiplier + term >> 32 + shift, low, high) + zero_point, for `count`
// channels of a group. sum + bias fits 32 bits. stride: elements between pixels of sums; step: bytes between those of
// `to`.
struct Rescale {
    const std::int32_t* sums;
    std::size_t stride, pixels;
    const GroupScales* scales;
    std::int32_t low, high, zero_point;
    std::uint8_t* to;
    std::ptrdiff_t step;
    std::size_t count;
};

struct Kernels {
    const char* name;
    bool (*runs_here)();
    void (*products_of_pairs)(const Products& work);
    void (*products_of_quads)(const Products& work);  // null: this version has none
    void (*taps_of_pairs)(const Taps& work);
    void (*taps_of_quads)(const Taps& work);  // null: this version has none
    void (*rescale)(const Rescale& work);
};
extern const Kernels plain_kernels, avx2_kernels, avx512_kernels;

}  // namespace etb::fast
