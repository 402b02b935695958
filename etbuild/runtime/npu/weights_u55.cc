// The weight order of Ethos-U55 and U65. One stream per core; stream k holds OFM channels k, k + cores, ...
//
// Nesting, outermost loop first: OFM block > IFM block > sub-kernel row > sub-kernel column > [outer IFM microblock:
// part-kernel-first] > OFM microblock > kernel element > [inner IFM microblock: depth-first] > OFM channel > IFM
// channel. A sub-kernel has at most 8 / dilation taps in each dimension. Positions outside the tensor are stored as
// zeros. This is the order that Vela writes; tested by tests/npu/grid.py.
#include <new>

#include "npu/weights.h"

namespace etb::npu {
namespace {

constexpr std::int32_t ifm_microblock = 8;

struct State {
    WeightStream streams[2];
};

struct Order {
    bool depthwise, part_kernel_first;
    std::int32_t ifm_depth, ifm_block, ofm_microblock, element_step, cores;
};

Order order_of(const Operation& operation) {
    Order order{};
    const bool narrow = operation.ifm.element == 1;
    order.depthwise = operation.code == Op::depthwise;
    order.part_kernel_first = operation.weights.part_kernel_first;
    order.ifm_depth = order.depthwise ? 1 : operation.ifm.shape.depth;
    order.ifm_block = order.part_kernel_first || !narrow ? 16 : 32;
    order.ofm_microblock = operation.config->ofm_microblock_depth;
    order.element_step = order.depthwise ? 4 : order.part_kernel_first ? (narrow ? 4 : 2) : 1;
    order.cores = operation.weights.cores;
    return order;
}

std::int32_t min(std::int32_t a, std::int32_t b) { return a < b ? a : b; }

// The part of a block that is in one core's stream.
struct Share {
    const Order& order;
    const WeightBlock& block;
    WeightStream& stream;
    std::int32_t core, depth;  // OFM channels of this core in the block

    // Reads `count` weights, of IFM channels from `ifm` on, for one OFM channel of this core and one tap. Weights
    // outside the tensor (channel >= depth, tap -1, IFM channels beyond the depth) must be zero.
    Verdict place(std::int32_t channel, std::int32_t tap, std::int32_t ifm, std::int32_t count) const {
        std::int16_t values[ifm_microblock];
        std::size_t read = 0;
        const bool inside = channel < depth && tap >= 0 && ifm < order.ifm_depth;
        std::int16_t* const to =
            !inside ? nullptr
                    : block.data + static_cast<std::size_t>(channel * order.cores + core) * block.channel_stride +
                          static_cast<std::size_t>(tap) * block.tap_stride + static_cast<std::size_t>(ifm);
        const std::int32_t kept = inside ? min(count, order.ifm_depth - ifm) : 0;
        const bool direct = kept == count;
        ETB_ACCEPT(stream.read(direct ? to : values, static_cast<std::size_t>(count), read));
        if (read != static_cast<std::size_t>(count)) return ETB_REFUSE(malformed, "weights: the stream is too short");
        if (direct) return {};
        for (std::int32_t i = 0; i < count; ++i) {
            if (i < kept)
                to[i] = values[i];
            else if (values[i] != 0)
                return ETB_REFUSE(malformed, "weights: not zero outside the tensor");
        }
        return {};
    }
};

struct SubKernel {
    std::int32_t y, x, height, width, kernel_width;
};

// The taps of a sub-kernel for one OFM microblock, over `inner` IFM channels from `ifm` on.
Verdict microblock(const Share& share, const SubKernel& sub, std::int32_t ofm, std::int32_t ifm, std::int32_t inner) {
    const Order& order = share.order;
    const std::int32_t elements =
        (sub.height * sub.width + order.element_step - 1) / order.element_step * order.element_step;
    const std::int32_t run = order.depthwise ? 1 : ifm_microblock;
    for (std::int32_t element = 0; element < elements; ++element) {
        const std::int32_t y = element / sub.width, x = element % sub.width;
        const std::int32_t tap = y < sub.height ? (sub.y + y) * sub.kernel_width + sub.x + x : -1;
        for (std::int32_t i = 0; i < inner; i += ifm_microblock)
            for (std::int32_t channel = 0; channel < order.ofm_microblock; ++channel)
                ETB_ACCEPT(share.place(ofm + channel, tap, ifm + i, run));
    }
    return {};
}

Verdict sub_kernel(const Share& share, const SubKernel& sub, std::int32_t ifm, std::int32_t ifm_count) {
    const Order& order = share.order;
    const std::int32_t outer = order.part_kernel_first ? ifm_count : 1;
    const std::int32_t inner = order.part_kernel_first ? 1 : ifm_count;
    for (std::int32_t i = 0; i < outer; i += ifm_microblock)
        for (std::int32_t ofm = 0; ofm < share.depth; ofm += order.ofm_microblock)
            ETB_ACCEPT(microblock(share, sub, ofm, ifm + i, inner));
    return {};
}

Verdict share_of_core(const Operation& operation, const Share& share) {
    const Window& window = operation.window;
    const Order& order = share.order;
    const std::int32_t step_y = 8 / window.dilation_y, step_x = 8 / window.dilation_x;
    for (std::int32_t ifm = 0; ifm < order.ifm_depth; ifm += order.ifm_block) {
        std::int32_t count = order.ifm_block;
        if (order.depthwise)
            count = ifm_microblock;
        else if (order.part_kernel_first)
            count = min(count, order.ifm_depth - ifm);
        for (std::int32_t y = 0; y < window.kernel_height; y += step_y)
            for (std::int32_t x = 0; x < window.kernel_width; x += step_x) {
                const SubKernel sub{y, x, min(step_y, window.kernel_height - y), min(step_x, window.kernel_width - x),
                                    window.kernel_width};
                ETB_ACCEPT(sub_kernel(share, sub, ifm, count));
            }
    }
    return {};
}

Verdict open(const Operation& operation, void* memory) {
    auto* const state = new (memory) State;
    for (int core = 0; core < operation.weights.cores; ++core)
        state->streams[core] = WeightStream{operation.weights.streams[core]};
    return {};
}

Verdict read_block(const Operation& operation, void* memory, const WeightBlock& block) {
    auto& state = *static_cast<State*>(memory);
    const Order order = order_of(operation);
    for (std::int32_t core = 0; core < order.cores; ++core) {
        const std::int32_t depth = (block.count + order.cores - 1 - core) / order.cores;
        if (depth > 0) ETB_ACCEPT(share_of_core(operation, {order, block, state.streams[core], core, depth}));
    }
    return {};
}

Verdict close(const Operation& operation, void* memory) {
    auto& state = *static_cast<State*>(memory);
    for (int core = 0; core < operation.weights.cores; ++core) {
        std::int16_t values[32];
        std::size_t read = 1;
        while (read > 0) {
            ETB_ACCEPT(state.streams[core].read(values, 32, read));
            for (std::size_t i = 0; i < read; ++i)
                if (values[i] != 0) return ETB_REFUSE(malformed, "weights: more than the tensor has");
        }
    }
    return {};
}

}  // namespace

const WeightOrder weight_order_u55 = {sizeof(State), open, read_block, close};

}  // namespace etb::npu
