// CONV of 8-bit maps: the inputs of up to eight pixels are laid out in rows, [tap][IFM depth], which the kernels
// multiply with all weights.
#include <cstring>

#include "fast/operations.h"
#include "fast/output.h"
#include "fast/prepared.h"

namespace etb::fast {
namespace {

using npu::FeatureMap;
using npu::Operation;

// Inputs as a kernel takes them.
struct Bytes8 {  // uint8
    using Element = std::uint8_t;
    std::uint8_t flip, zero;

    explicit Bytes8(const FeatureMap& map)
        : flip(static_cast<std::uint8_t>(offset_of(map))), zero(static_cast<std::uint8_t>(zero_of(map))) {}
    [[nodiscard]] Element of(std::uint8_t byte) const { return byte ^ flip; }
    [[nodiscard]] Element padding() const { return zero; }
};
struct Words16 {  // int16, less the zero point
    using Element = std::int16_t;
    std::int16_t zero;
    std::uint8_t flip;

    explicit Words16(const FeatureMap& map)
        : zero(static_cast<std::int16_t>(zero_of(map))), flip(static_cast<std::uint8_t>(offset_of(map))) {}
    [[nodiscard]] Element of(std::uint8_t byte) const {
        return static_cast<std::int16_t>(static_cast<std::uint8_t>(byte ^ flip) - zero);
    }
    [[nodiscard]] static Element padding() { return 0; }
};

template <class Format>
void copy_run(const Format& format, const std::uint8_t* from, std::size_t count, typename Format::Element* to) {
    for (std::size_t i = 0; i < count; ++i) to[i] = format.of(from[i]);
}

// All channels of one pixel.
template <class Format>
void copy_pixel(const Format& format, const FeatureMap& map, const std::uint8_t* from, typename Format::Element* to) {
    auto depth = static_cast<std::size_t>(map.shape.depth);
    if (!map.brick) return copy_run(format, from, depth, to);
    for (; depth > lanes; depth -= lanes, to += lanes, from += map.stride_c) copy_run(format, from, lanes, to);
    copy_run(format, from, depth, to);
}

// Whether the pixels that a row of the window reads are one run of bytes, for output column x.
bool is_one_run(const Operation& operation, std::int32_t x) {
    const npu::Window& window = operation.window;
    const FeatureMap& map = operation.ifm;
    const std::int32_t first = x * window.stride_x - window.pad_left;
    return !map.brick && map.stride_x == map.shape.depth && window.dilation_x == 1 &&
           window.upscale == npu::Upscale::none && first >= 0 && first + window.kernel_width <= window.extent_width &&
           straight(map, first, window.kernel_width) == window.kernel_width;
}

// The inputs of one output pixel.
template <class Format>
void gather(const Format& format, const Operation& operation, std::int32_t y, std::int32_t x,
            typename Format::Element* to) {
    const npu::Window& window = operation.window;
    const FeatureMap& map = operation.ifm;
    const auto depth = static_cast<std::size_t>(map.shape.depth);
    const std::size_t all = static_cast<std::size_t>(window.kernel_width) * depth;
    const bool one_run = is_one_run(operation, x);
    for (std::int32_t ky = 0; ky < window.kernel_height; ++ky) {
        std::int32_t row = 0, column = 0;
        const bool inside = window.source_row(y, ky, row);
        if (inside && one_run) {
            copy_run(format, map.memory + map.pixel(row, x * window.stride_x - window.pad_left), all, to);
            to += all;
            continue;
        }
        for (std::int32_t kx = 0; kx < window.kernel_width; ++kx, to += depth) {
            if (inside && window.source_column(x, kx, column))
                copy_pixel(format, map, map.memory + map.pixel(row, column), to);
            else
                for (std::size_t c = 0; c < depth; ++c) to[c] = format.padding();
        }
    }
}

template <class Format>
void convolve(const Finish& finish, const Prepared& weights, void (*products)(const Products&)) {
    using Element = typename Format::Element;
    const Operation& operation = finish.operation;
    const Format format(operation.ifm);
    const npu::Shape& out = operation.out;
    const std::size_t row = weights.steps * 4 / sizeof(Element);  // of the inputs of a pixel
    thread_local std::vector<Element> inputs;
    thread_local std::vector<std::int32_t> sums;
    inputs.assign(row * most_pixels, 0);
    sums.resize(most_pixels * weights.groups * lanes);
    const auto most = static_cast<std::int32_t>(most_pixels);
    const std::int32_t tiles = (out.width + most - 1) / most, tile = (out.width + tiles - 1) / tiles;
    Products work{reinterpret_cast<const std::uint8_t*>(inputs.data()),
                  weights.steps * 4,
                  0,
                  weights.steps,
                  weights.weights.data(),
                  weights.groups,
                  sums.data()};
    for (std::int32_t y = 0; y < out.height; ++y)
        for (std::int32_t x = 0; x < out.width; x += tile) {
            const std::int32_t pixels = out.width - x < tile ? out.width - x : tile;
            for (std::int32_t p = 0; p < pixels; ++p)
                gather(format, operation, y, x + p, inputs.data() + static_cast<std::size_t>(p) * row);
            work.pixels = static_cast<std::size_t>(pixels);
            products(work);
            for (std::size_t group = 0; group < weights.groups; ++group)
                finish.group(sums.data() + group * lanes, weights.groups * lanes, y, x, pixels, group);
        }
}

}  // namespace

bool convolution(npu::Machine& machine, Operation& operation, const Kernels& kernels) {
    const FeatureMap& ifm = operation.ifm;
    if (!operation.weight_order || ifm.element != 1 || repeats(ifm) || ifm.shape.empty() ||
        ifm.storage == npu::Storage::none || zero_of(ifm) < 0 || zero_of(ifm) > 255 ||
        !plain_output(machine, operation) || !apart(ifm, operation.ofm) || !apart_from_streams(operation))
        return false;
    const std::uint64_t inputs =
        static_cast<std::uint64_t>(operation.window.taps()) * static_cast<std::uint64_t>(ifm.shape.depth);
    if (inputs > most_input_bytes / most_pixels / sizeof(std::int16_t)) return false;
    const auto weights = prepared(operation, kernels);
    if (!weights || !weights->usable) return false;
    if (machine.observer) operation.counters = weights->counters;
    const Finish finish{machine, operation, kernels, weights->scales.data()};
    if (weights->quads)
        convolve<Bytes8>(finish, *weights, kernels.products_of_quads);
    else
        convolve<Words16>(finish, *weights, kernels.products_of_pairs);
    return true;
}

}  // namespace etb::fast
