// The weight order of Ethos-U85. Weights are compressed as on Ethos-U55 (npu/mlw.h), or in the fast format. OFM
// channels are distributed over the cores' streams in groups of four.
//
// Nesting, outermost loop first: OFM block > IFM block (in reverse order in every second OFM block) > sub-kernel column
// > sub-kernel row > IFM microblock > OFM microblock > stride phase y > stride phase x > kernel row > kernel column
// (reversed in every second row) > IFM step > group of four OFM channels > OFM channel > IFM channel. The taps of a
// sub-kernel are padded to a multiple of element_step.
//
// Fast format: a header of 32 bytes (bit 0: raw 8-bit values; bit 1: 2-bit indices; byte 13: zero point of raw values;
// from bit 112 a table of 16 values of 9 bits, sign in bit 0), then values of 8 bits or indices of 4 or 2 bits. All
// cores share one stream and alternate by blocks of weights.
//
// This is the order that Vela writes; tested by tests/npu/grid.py.
#include <new>

#include "npu/weights.h"

namespace etb::npu {
namespace {

struct Order {
    bool depthwise;
    std::int32_t ifm_depth, ifm_block, ifm_microblock, ifm_step, ofm_microblock;
    std::int32_t element_step, element_padding, stride_y, stride_x, cores;
};

std::int32_t min(std::int32_t a, std::int32_t b) { return a < b ? a : b; }

std::int32_t ofm_microblock_depth(int macs, std::int32_t pixels) {
    if (macs == 128) return pixels == 2 ? 8 : 16;
    if (macs == 256) return pixels == 2 ? 16 : 8;
    if (macs == 1024) return pixels == 4 ? 32 : 16;
    return macs == 2048 && pixels == 4 ? 64 : 16;
}

Order order_of(const Operation& operation) {
    const Weights& weights = operation.weights;
    const int macs = operation.config->macs;
    const bool wide = operation.ifm.element == 2;
    const bool part_kernel = weights.part_kernel_first && operation.code != Op::depthwise;
    Order order{};
    order.depthwise = operation.code == Op::depthwise;
    order.ifm_depth = order.depthwise ? 1 : operation.ifm.shape.depth;
    order.cores = weights.cores;
    order.ofm_microblock = ofm_microblock_depth(macs, weights.microblock_pixels);
    order.ifm_step = order.depthwise ? 1 : weights.sparse ? 16 : 8;
    order.element_step = order.depthwise ? 10 : !part_kernel ? 1 : wide || weights.sparse ? 10 : 5;
    order.element_padding = !order.depthwise || (!wide && macs <= 256) ? 0 : macs <= 512 ? 2 : 6;
    order.stride_y = part_kernel || order.depthwise ? operation.window.stride_y : 1;
    order.stride_x = part_kernel || order.depthwise ? operation.window.stride_x : 1;
    if (order.depthwise) {
        order.ifm_block = order.ifm_microblock = 1;
    } else if (part_kernel) {
        order.ifm_block = 16;
        order.ifm_microblock = wide && !weights.sparse ? 8 : 16;
    } else {
        const bool small = operation.ifm.element == 4 || (macs <= 256 && order.ofm_microblock == 16 && !weights.sparse);
        order.ifm_block = small ? 32 : weights.sparse && operation.ifm.element == 1 ? 128 : 64;
        order.ifm_microblock = order.ifm_block;
    }
    return order;
}

// A stream in the fast format, with random access.
struct FastWeights {
    BitReader bits;
    bool raw = false;
    int index_bits = 4;
    std::int32_t zero_point = 0;
    std::int16_t table[16] = {};
    std::uint64_t count = 0, block = 0;

    Verdict open(const Operation& operation, const Order& order);
    [[nodiscard]] std::uint64_t place_of(std::uint64_t n, std::int32_t core, std::int32_t cores) const {
        if (cores == 1) return n;
        const auto all = static_cast<std::uint64_t>(cores);
        return (n / block * all + static_cast<std::uint64_t>(core)) * block + n % block;
    }
    std::int16_t at(std::uint64_t place) {
        bits.position = 256 + place * static_cast<std::uint64_t>(index_bits);
        const std::uint32_t index = bits.take(index_bits);
        if (!raw) return table[index & 15];
        return static_cast<std::int16_t>(static_cast<std::int8_t>(index) - zero_point);
    }
};

Verdict FastWeights::open(const Operation& operation, const Order& order) {
    bits.bytes = operation.weights.streams[0];
    if (bits.bytes.size < 32) return ETB_REFUSE(malformed, "weights: no room for the head of the fast format");
    raw = bits.take(1) != 0;
    const bool small = bits.take(1) != 0;
    index_bits = raw ? 8 : small ? 2 : 4;
    bits.position = 104;
    zero_point = static_cast<std::int8_t>(bits.take(8));
    for (std::int16_t& value : table) {
        const int number = static_cast<int>(bits.take(9));
        value = static_cast<std::int16_t>(number & 1 ? -(number >> 1) : number >> 1);
    }
    count = (std::uint64_t{bits.bytes.size} * 8 - 256) / static_cast<std::uint64_t>(index_bits);
    const std::int32_t per_element = order.ofm_microblock * order.ifm_microblock / order.cores;
    block = static_cast<std::uint64_t>(per_element) * static_cast<std::uint64_t>(order.element_step);
    return {};
}

struct State {
    WeightStream streams[4];
    FastWeights fast;
    std::uint64_t taken[4] = {};  // fast format: number of weights read, per core
};

struct SubKernel {
    std::int32_t y, x, height, width;
};

// The part of a block that belongs to one core.
struct Share {
    const Operation& operation;
    const Order& order;
    const WeightBlock& block;
    State& state;
    std::int32_t core;

    Verdict read(std::int16_t* out, std::int32_t count) const;
    Verdict place(std::int32_t channel, std::int32_t tap, std::int32_t ifm) const;
    Verdict skip(std::int32_t count) const;
    Verdict element(std::int32_t ofm, std::int32_t tap, std::int32_t ifm) const;
    Verdict microblock(const SubKernel& sub, std::int32_t ofm, std::int32_t ifm) const;
    Verdict sub_kernel(const SubKernel& sub, std::int32_t ifm) const;
    Verdict ifm_block(std::int32_t ifm) const;
};

Verdict Share::read(std::int16_t* out, std::int32_t count) const {
    std::size_t read = 0;
    const auto wanted = static_cast<std::size_t>(count);
    if (operation.weights.fast) {
        for (std::uint64_t& next = state.taken[core]; read < wanted; ++read, ++next) {
            const std::uint64_t place = state.fast.place_of(next, core, order.cores);
            if (place >= state.fast.count) break;
            out[read] = state.fast.at(place);
        }
    } else {
        ETB_ACCEPT(state.streams[core].read(out, wanted, read));
    }
    return read == wanted ? Verdict{} : ETB_REFUSE(malformed, "weights: the stream is too short");
}

// Reads one step of IFM channels for one OFM channel and one tap. Weights outside the tensor must be zero.
Verdict Share::place(std::int32_t channel, std::int32_t tap, std::int32_t ifm) const {
    std::int16_t values[16];
    ETB_ACCEPT(read(values, order.ifm_step));
    const std::int32_t kept = channel < block.count ? min(order.ifm_step, order.ifm_depth - ifm) : 0;
    std::int16_t* const to = block.data + static_cast<std::size_t>(kept > 0 ? channel : 0) * block.channel_stride +
                             static_cast<std::size_t>(tap) * block.tap_stride +
                             static_cast<std::size_t>(kept > 0 ? ifm : 0);
    for (std::int32_t i = 0; i < order.ifm_step; ++i) {
        if (i < kept)
            to[i] = values[i];
        else if (values[i] != 0)
            return ETB_REFUSE(malformed, "weights: not zero outside the tensor");
    }
    return {};
}

Verdict Share::skip(std::int32_t count) const {
    for (; count > 0; --count) {
        std::int16_t value = 0;
        ETB_ACCEPT(read(&value, 1));
        if (value != 0) return ETB_REFUSE(malformed, "weights: padding is not zero");
    }
    return {};
}

Verdict Share::element(std::int32_t ofm, std::int32_t tap, std::int32_t ifm) const {
    for (std::int32_t i = 0; i < order.ifm_microblock; i += order.ifm_step)
        for (std::int32_t group = core * 4; group < order.ofm_microblock; group += 4 * order.cores)
            for (std::int32_t channel = 0; channel < 4; ++channel)
                ETB_ACCEPT(place(ofm + group + channel, tap, ifm + i));
    return {};
}

Verdict Share::microblock(const SubKernel& sub, std::int32_t ofm, std::int32_t ifm) const {
    const std::int32_t per_element = order.ifm_microblock * order.ofm_microblock / order.cores;
    std::int32_t left = (sub.width * sub.height + order.element_step - 1) / order.element_step * order.element_step;
    for (std::int32_t phase_y = 0; phase_y < order.stride_y; ++phase_y)
        for (std::int32_t phase_x = 0; phase_x < order.stride_x; ++phase_x) {
            const std::int32_t rows = (sub.height + order.stride_y - 1 - phase_y) / order.stride_y;
            const std::int32_t columns = (sub.width + order.stride_x - 1 - phase_x) / order.stride_x;
            for (std::int32_t n = 0; n < rows * columns; ++n) {
                const std::int32_t row = n / columns, step = n % columns;
                const std::int32_t column = row & 1 ? columns - 1 - step : step;
                const std::int32_t y = sub.y + phase_y + row * order.stride_y,
                                   x = sub.x + phase_x + column * order.stride_x;
                ETB_ACCEPT(element(ofm, y * operation.window.kernel_width + x, ifm));
                --left;
                if (left % order.element_step == 0) ETB_ACCEPT(skip(order.element_padding * per_element));
            }
        }
    return left > 0 ? skip((left + order.element_padding) * per_element) : Verdict{};
}

Verdict Share::sub_kernel(const SubKernel& sub, std::int32_t ifm) const {
    const std::int32_t ifm_end = min(ifm + order.ifm_block, order.ifm_depth);
    for (std::int32_t i = ifm; i < ifm_end; i += order.ifm_microblock)
        for (std::int32_t ofm = 0; ofm < block.count; ofm += order.ofm_microblock) ETB_ACCEPT(microblock(sub, ofm, i));
    return {};
}

Verdict Share::ifm_block(std::int32_t ifm) const {
    const Window& window = operation.window;
    const std::int32_t step_y = 8 / window.dilation_y, step_x = 8 / window.dilation_x;
    for (std::int32_t x = 0; x < window.kernel_width; x += step_x)
        for (std::int32_t y = 0; y < window.kernel_height; y += step_y) {
            const SubKernel sub{y, x, min(step_y, window.kernel_height - y), min(step_x, window.kernel_width - x)};
            ETB_ACCEPT(sub_kernel(sub, ifm));
        }
    return {};
}

Verdict open(const Operation& operation, void* memory) {
    auto* const state = new (memory) State;
    if (operation.weights.fast) return state->fast.open(operation, order_of(operation));
    for (int core = 0; core < operation.weights.cores; ++core)
        state->streams[core] = WeightStream{operation.weights.streams[core]};
    return {};
}

Verdict read_block(const Operation& operation, void* memory, const WeightBlock& block) {
    const Order order = order_of(operation);
    const std::int32_t blocks = (order.ifm_depth + order.ifm_block - 1) / order.ifm_block;
    const bool backwards = block.first / operation.weights.block_depth % 2 != 0;
    for (std::int32_t core = 0; core < order.cores; ++core) {
        if (!operation.weights.fast && operation.weights.streams[core].empty()) continue;
        const Share share{operation, order, block, *static_cast<State*>(memory), core};
        for (std::int32_t i = 0; i < blocks; ++i)
            ETB_ACCEPT(share.ifm_block((backwards ? blocks - 1 - i : i) * order.ifm_block));
    }
    return {};
}

Verdict close(const Operation& operation, void* memory) {
    auto& state = *static_cast<State*>(memory);
    for (int core = 0; core < operation.weights.cores && !operation.weights.fast; ++core) {
        std::int16_t value = 0;
        std::size_t read = 1;
        while (read > 0) {
            ETB_ACCEPT(state.streams[core].read(&value, 1, read));
            if (read > 0 && value != 0) return ETB_REFUSE(malformed, "weights: more than the tensor has");
        }
    }
    return {};
}

}  // namespace

const WeightOrder weight_order_u85 = {sizeof(State), open, read_block, close};

}  // namespace etb::npu
