// CONV with weights from IFM2 (Ethos-U85): out[y][x][c] = sum over k of (ifm[y][x][k] - zp) * (ifm2[y][c][k] - zp2),
// then OFM_SCALE, zero point, clamp, table. out: [height, width, ofm depth].
// source: TOSA 1.0 MATMUL. Tested by tests/npu/grid.py (bmm, matmul, einsum, attention).
#include "npu/output.h"

namespace etb::npu {

Verdict matrix_product(Machine& machine, Operation& operation) {
    const Shape& out = operation.out;
    const std::int32_t length = operation.ifm.shape.depth;
    Span<std::int64_t> row, column, values;
    ETB_ACCEPT(take(machine, static_cast<std::uint64_t>(length), row));
    ETB_ACCEPT(take(machine, static_cast<std::uint64_t>(length), column));
    ETB_ACCEPT(take(machine, static_cast<std::uint64_t>(out.depth), values));
    ETB_ACCEPT(plan_accumulators(machine, operation));
    if (machine.planning) return {};
    for (std::int32_t y = 0; y < out.height; ++y)
        for (std::int32_t x = 0; x < out.width; ++x) {
            load_channels(operation.ifm, y, x, 0, length, row.data);
            for (std::int32_t c = 0; c < out.depth; ++c) {
                load_channels(operation.ifm2, y, c, 0, length, column.data);
                std::int64_t sum = 0;
                for (std::size_t k = 0; k < row.size; ++k) sum = wrapping_sum(sum, wrapping_product(row[k], column[k]));
                values[static_cast<std::size_t>(c)] = sum;
            }
            finish_sums(machine, operation, {y, x, 0, out.depth}, values.data, nullptr);
        }
    return {};
}

}  // namespace etb::npu
