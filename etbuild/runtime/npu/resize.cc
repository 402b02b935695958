// RESIZE (Ethos-U85): out[y][x][c] is interpolated from the source position (o * step + offset) / n = i + f / n in each
// dimension, where i is an integer and 0 <= f < n. Positions outside the source are clamped to its edge.
//   BILINEAR   the four neighbours weighted by n - f and f
//   NEAREST    in each dimension neighbour i + 1 if 2 * f >= n, else i
//   REPLICATE  neighbour i
// The value is shifted left by 16, then scaled by OFM_SCALE. 8- and 16-bit maps.
// source: TOSA 1.0 RESIZE. BILINEAR and NEAREST are tested by tests/npu/grid.py.
#include "npu/output.h"

namespace etb::npu {
namespace {

struct Axis {
    std::int32_t first, second;  // the neighbours i and i + 1, clamped
    std::int64_t fraction;       // f
};

std::int32_t clamped(std::int32_t at, std::int32_t size) { return at < 0 ? 0 : at >= size ? size - 1 : at; }

Axis along(std::int32_t o, std::int32_t step, std::int32_t offset, std::int32_t n, std::int32_t size) {
    const std::int64_t at = std::int64_t{o} * step + offset;
    std::int64_t whole = at / n;
    if (at % n < 0) --whole;
    const auto first = static_cast<std::int32_t>(whole);
    return {clamped(first, size), clamped(first + 1, size), at - whole * n};
}

struct Neighbours {
    Span<std::int64_t> values[4];  // upper left, upper right, lower left, lower right
};

void blend(const Neighbours& from, const Operation& operation, const Axis& y, const Axis& x, std::int64_t* out) {
    const std::int64_t above = operation.resize.n_y - y.fraction, left = operation.resize.n_x - x.fraction;
    for (std::size_t c = 0; c < from.values[0].size; ++c)
        out[c] = from.values[0][c] * above * left + from.values[1][c] * above * x.fraction +
                 from.values[2][c] * y.fraction * left + from.values[3][c] * y.fraction * x.fraction;
}

}  // namespace

Verdict resize(Machine& machine, Operation& operation) {
    const auto mode = static_cast<ResizeMode>(operation.mode & 3);
    const Resize& how = operation.resize;
    const Shape &in = operation.ifm.shape, &out = operation.out;
    Neighbours from;
    Span<std::int64_t> values;
    for (Span<std::int64_t>& neighbour : from.values)
        ETB_ACCEPT(take(machine, static_cast<std::uint64_t>(out.depth), neighbour));
    ETB_ACCEPT(take(machine, static_cast<std::uint64_t>(out.depth), values));
    if (machine.planning) return {};
    for (std::int32_t oy = 0; oy < out.height; ++oy) {
        const Axis y = along(oy, how.step_y, how.offset_y, how.n_y, in.height);
        for (std::int32_t ox = 0; ox < out.width; ++ox) {
            const Axis x = along(ox, how.step_x, how.offset_x, how.n_x, in.width);
            if (mode == ResizeMode::bilinear_) {
                for (std::size_t k = 0; k < 4; ++k)
                    load_channels(operation.ifm, k < 2 ? y.first : y.second, k % 2 ? x.second : x.first, 0, out.depth,
                                  from.values[k].data);
                blend(from, operation, y, x, values.data);
            } else {
                const bool nearest = mode == ResizeMode::nearest_;
                const std::int32_t row = nearest && 2 * y.fraction >= how.n_y ? y.second : y.first;
                const std::int32_t column = nearest && 2 * x.fraction >= how.n_x ? x.second : x.first;
                load_channels(operation.ifm, row, column, 0, out.depth, values.data);
            }
            for (std::int64_t& value : values) value = rescale(value * 65536, operation.scale);
            finish_scaled(machine, operation, {oy, ox, 0, out.depth}, values.data);
        }
    }
    return {};
}

}  // namespace etb::npu
