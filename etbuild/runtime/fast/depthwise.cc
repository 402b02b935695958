// DEPTHWISE of 8-bit maps, one group of 16 channels after the other. The rows of a window are copied with their
// padding, [column][16], and stay for the next window.
#include <cstring>

#include "fast/operations.h"
#include "fast/output.h"
#include "fast/prepared.h"

namespace etb::fast {
namespace {

using npu::FeatureMap;
using npu::Operation;

// The columns that a row of outputs reads, padding included, and the rows that a window spans.
std::size_t columns_of(const Operation& operation) {
    const npu::Window& window = operation.window;
    return static_cast<std::size_t>(operation.out.width - 1) * static_cast<std::size_t>(window.stride_x) +
           static_cast<std::size_t>(window.kernel_width - 1) * static_cast<std::size_t>(window.dilation_x) + 1;
}
std::size_t rows_of(const Operation& operation) {
    const npu::Window& window = operation.window;
    return static_cast<std::size_t>(window.kernel_height - 1) * static_cast<std::size_t>(window.dilation_y) + 1;
}

// Rows of one group of channels, by their place: the row of the input, from the first one of padding on.
class Rows {
public:
    explicit Rows(const Operation& of) : operation(of) {
        columns = columns_of(of);
        count = rows_of(of);
        const std::size_t bytes = count * row_bytes();
        thread_local std::vector<std::uint8_t> memory;
        thread_local std::vector<std::int32_t> numbers;
        if (memory.size() < bytes) memory.resize(bytes);
        numbers.assign(count, -1);
        data = memory.data();
        places = numbers.data();
    }

    void begin(std::size_t next) {
        group = next;
        const std::size_t left = static_cast<std::size_t>(operation.ifm.shape.depth) - group * lanes;
        channels = left < lanes ? left : lanes;
        for (std::size_t i = 0; i < count; ++i) places[i] = -1;
    }

    const std::uint8_t* row(std::int32_t place) {
        const std::size_t slot = static_cast<std::size_t>(place) % count;
        std::uint8_t* const to = data + slot * row_bytes();
        if (places[slot] != place) fill(place - operation.window.pad_top, to);
        places[slot] = place;
        return to;
    }

private:
    // The kernels read up to three columns more.
    [[nodiscard]] std::size_t row_bytes() const { return (columns + 3) * lanes; }

    void fill(std::int32_t y, std::uint8_t* to) const {
        const npu::Window& window = operation.window;
        const FeatureMap& map = operation.ifm;
        const auto zero = static_cast<std::uint8_t>(zero_of(map));
        const auto all = static_cast<std::int32_t>(columns);
        if (y < 0 || y >= window.extent_height) {
            std::memset(to, zero, columns * lanes);
            return;
        }
        const std::int32_t begin = window.pad_left < all ? window.pad_left : all;
        const std::int32_t right = window.pad_left + window.extent_width, end = right < all ? right : all;
        std::memset(to, zero, static_cast<std::size_t>(begin) * lanes);
        for (std::int32_t column = begin; column < end;) {
            const std::int32_t x = column - window.pad_left, run = straight(map, x, end - column);
            copy(y, x, run, to + static_cast<std::size_t>(column) * lanes);
            column += run;
        }
        if (end < all) {
            const std::int32_t from = end > begin ? end : begin;
            std::memset(to + static_cast<std::size_t>(from) * lanes, zero,
                        static_cast<std::size_t>(all - from) * lanes);
        }
    }

    void copy(std::int32_t y, std::int32_t x, std::int32_t run, std::uint8_t* to) const {
        const FeatureMap& map = operation.ifm;
        const auto flip = static_cast<std::uint8_t>(offset_of(map));
        const std::uint8_t* from = map.memory + map.pixel(y, x) + group_place(map, group);
        const std::ptrdiff_t step = pixel_step(map);
        if (step == static_cast<std::ptrdiff_t>(lanes)) {
            const std::size_t bytes = static_cast<std::size_t>(run - 1) * lanes + channels;
            for (std::size_t i = 0; i < bytes; ++i) to[i] = from[i] ^ flip;
            return;
        }
        for (std::int32_t i = 0; i < run; ++i, from += step, to += lanes) {
            if (channels == lanes)
                for (std::size_t c = 0; c < lanes; ++c) to[c] = from[c] ^ flip;
            else
                for (std::size_t c = 0; c < channels; ++c) to[c] = from[c] ^ flip;
        }
    }

    const Operation& operation;
    std::size_t columns = 0, count = 0, group = 0, channels = 0;
    std::uint8_t* data = nullptr;
    std::int32_t* places = nullptr;
};

void convolve(const Finish& finish, const Prepared& weights) {
    const Operation& operation = finish.operation;
    const npu::Window& window = operation.window;
    const npu::Shape& out = operation.out;
    const auto width = static_cast<std::size_t>(out.width), height = static_cast<std::size_t>(window.kernel_height);
    Rows rows(operation);
    thread_local std::vector<std::int32_t> sums;
    thread_local std::vector<const std::uint8_t*> pointers;
    sums.resize(width * lanes);
    pointers.resize(height);
    Taps work{pointers.data(),
              height,
              static_cast<std::size_t>(window.kernel_width),
              static_cast<std::size_t>(window.dilation_x),
              static_cast<std::size_t>(window.stride_x),
              width,
              nullptr,
              sums.data()};
    const auto taps = weights.quads ? finish.kernels.taps_of_quads : finish.kernels.taps_of_pairs;
    const std::size_t group_bytes = weights.weights.size() / weights.groups;
    for (std::size_t group = 0; group < weights.groups; ++group) {
        rows.begin(group);
        work.weights = weights.weights.data() + group * group_bytes;
        for (std::int32_t y = 0; y < out.height; ++y) {
            for (std::int32_t ky = 0; ky < window.kernel_height; ++ky)
                pointers[static_cast<std::size_t>(ky)] = rows.row(y * window.stride_y + ky * window.dilation_y);
            taps(work);
            finish.group(sums.data(), lanes, y, 0, out.width, group);
        }
    }
}

}  // namespace

bool depthwise(npu::Machine& machine, Operation& operation, const Kernels& kernels) {
    const FeatureMap& ifm = operation.ifm;
    const npu::Window& window = operation.window;
    if (!operation.weight_order || ifm.element != 1 || repeats(ifm) || ifm.shape.empty() ||
        ifm.storage == npu::Storage::none || zero_of(ifm) < 0 || zero_of(ifm) > 255 ||
        window.upscale != npu::Upscale::none || window.pad_left < 0 || window.pad_top < 0 ||
        !plain_output(machine, operation) || !apart(ifm, operation.ofm) || !apart_from_streams(operation))
        return false;
    if (columns_of(operation) > most_input_bytes / lanes / 2 ||
        (columns_of(operation) + 3) * lanes > most_input_bytes / rows_of(operation))
        return false;
    const auto weights = prepared(operation, kernels);
    if (!weights || !weights->usable) return false;
    if (machine.observer) operation.counters = weights->counters;
    convolve({machine, operation, kernels, weights->scales.data()}, *weights);
    return true;
}

}  // namespace etb::fast
