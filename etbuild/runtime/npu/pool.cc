// POOL: maximum, minimum, sum or average of (ifm - zero point) over the window; REDUCE_SUM sums over the depth as well.
// out: [height, width, depth]; depth 1 for REDUCE_SUM.
//   AVERAGE   On Ethos-U55 and U65 without padding the sum is scaled by OFM_SCALE, which holds the reciprocal. With
//             padding, and always on Ethos-U85, it is divided by the number of taps inside the input if that is above
//             1, rounded half away from zero (TRUNCATE: toward zero).
//   NONE      (Ethos-U85) The accumulator input alone.
//   ARGMAX_X, ARGMAX_Y  (Ethos-U85) The column or row of the maximum in the window, times 65536.
// source: TOSA 1.0 MAX_POOL2D, AVG_POOL2D, REDUCE_SUM. Tested by tests/npu/streams/padding.toml and tests/npu/grid.py.
#include "npu/output.h"

namespace etb::npu {
namespace {

struct Buffers {
    Span<std::int64_t> inputs, values;
    Span<std::int16_t> arguments;  // [depth], of the ARGMAX modes
    Span<ChannelScale> scales;
};

bool is_argument(PoolMode mode) { return mode == PoolMode::argmax_x_ || mode == PoolMode::argmax_y_; }

// The initial value of the reduction.
std::int64_t neutral(PoolMode mode) {
    if (mode == PoolMode::max_ || is_argument(mode)) return INT64_MIN;
    return mode == PoolMode::min_ ? INT64_MAX : 0;
}

// Adds one tap to the reduction of all channels. tap: its row or column, for the ARGMAX modes.
void join(PoolMode mode, const Buffers& buffers, std::int16_t tap) {
    const Span<std::int64_t>& in = buffers.inputs;
    const Span<std::int64_t>& out = buffers.values;
    switch (mode) {
        case PoolMode::max_:
            for (std::size_t c = 0; c < out.size; ++c)
                if (in[c] > out[c]) out[c] = in[c];
            break;
        case PoolMode::min_:
            for (std::size_t c = 0; c < out.size; ++c)
                if (in[c] < out[c]) out[c] = in[c];
            break;
        case PoolMode::argmax_x_:
        case PoolMode::argmax_y_:
            for (std::size_t c = 0; c < out.size; ++c) {
                if (in[c] <= out[c]) continue;
                out[c] = in[c];
                buffers.arguments[c] = tap;
            }
            break;
        case PoolMode::reduce_sum_:
            for (const std::int64_t value : in) out[0] = wrapping_sum(out[0], value);
            break;
        default:
            for (std::size_t c = 0; c < out.size; ++c) out[c] = wrapping_sum(out[c], in[c]);
    }
}

// Pools one pixel into buffers.values; returns the number of taps inside the input.
std::int32_t pool_pixel(const Operation& operation, PoolMode mode, const Buffers& buffers, std::int32_t y,
                        std::int32_t x) {
    const Window& window = operation.window;
    for (std::int64_t& value : buffers.values) value = neutral(mode);
    for (std::int16_t& argument : buffers.arguments) argument = 0;
    if (mode == PoolMode::none_) return 0;
    std::int32_t taps = 0;
    for (std::int32_t ky = 0; ky < window.kernel_height; ++ky) {
        std::int32_t row = 0, column = 0;
        if (!window.source_row(y, ky, row)) continue;
        for (std::int32_t kx = 0; kx < window.kernel_width; ++kx) {
            if (!window.source_column(x, kx, column)) continue;
            load_channels(operation.ifm, row, column, 0, operation.ifm.shape.depth, buffers.inputs.data);
            join(mode, buffers, static_cast<std::int16_t>(mode == PoolMode::argmax_x_ ? kx : ky));
            ++taps;
        }
    }
    if (taps == 0)
        for (std::int64_t& value : buffers.values) value = 0;
    if (is_argument(mode))
        for (std::size_t c = 0; c < buffers.values.size; ++c)
            buffers.values[c] = std::int64_t{buffers.arguments[c]} * 65536;
    return taps;
}

// AVERAGE divided by the number of taps; the result is not scaled.
void finish_average(Machine& machine, const Operation& operation, const OutputRun& run, const Buffers& buffers,
                    std::int32_t taps) {
    const bool down = operation.scale.rounding == Rounding::truncate;
    for (std::int64_t& value : buffers.values) value = down ? value / taps : rounded_quotient(value, taps);
    finish_scaled(machine, operation, run, buffers.values.data);
}

}  // namespace

Verdict pool(Machine& machine, Operation& operation) {
    const auto mode = static_cast<PoolMode>(operation.mode & 7);
    const Shape& out = operation.out;
    const auto depth = static_cast<std::uint64_t>(out.depth);
    Buffers buffers;
    ETB_ACCEPT(take(machine, static_cast<std::uint64_t>(operation.ifm.shape.depth), buffers.inputs));
    ETB_ACCEPT(take(machine, depth, buffers.values));
    if (is_argument(mode)) ETB_ACCEPT(take(machine, depth, buffers.arguments));
    if (operation.uses_scales) ETB_ACCEPT(take(machine, depth, buffers.scales));
    ETB_ACCEPT(plan_accumulators(machine, operation));
    if (machine.planning) return {};
    if (operation.uses_scales) read_channel_scales(operation, 0, out.depth, buffers.scales.data);
    const bool divides = mode == PoolMode::average_ && operation.hardware_average;
    for (std::int32_t y = 0; y < out.height; ++y)
        for (std::int32_t x = 0; x < out.width; ++x) {
            const std::int32_t taps = pool_pixel(operation, mode, buffers, y, x);
            const OutputRun run{y, x, 0, out.depth};
            if (divides && taps > 1)
                finish_average(machine, operation, run, buffers, taps);
            else
                finish_sums(machine, operation, run, buffers.values.data,
                            operation.uses_scales ? buffers.scales.data : nullptr);
        }
    return {};
}

}  // namespace etb::npu
