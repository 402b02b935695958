// Rows of a quantised table as float32: quantized_decomposed::embedding_byte, embedding_2bit and embedding_4bit.
//   out[.., j] = (value[index[..], j] - zero_point) * scale, with one scale a row or one for each group of a row
// Packed values: of 4 bits, the first in the upper half of a byte, less 8; of 2 bits, the first in the lowest, less 2.
// Tested by "embedding" in test_quantization.py.
#include <initializer_list>

#include "kernels/channel_grids.h"

namespace etb {
namespace {

struct Table {
    const Tensor& weights;  // [rows, bytes]
    const Tensor& scales;   // [rows] or [rows, groups]
    const Tensor* zeros;    // as scales; null: 0
    int bits;

    [[nodiscard]] std::int64_t width() const { return std::int64_t{weights.sizes[1]} * (8 / bits); }
    [[nodiscard]] std::int32_t groups() const { return scales.rank == 2 ? scales.sizes[1] : 1; }
    [[nodiscard]] float value(std::size_t row, std::size_t column) const {
        const std::size_t bytes = static_cast<std::size_t>(weights.sizes[1]);
        if (bits == 8) {
            const std::size_t at = row * bytes + column;
            return weights.dtype == DType::i8 ? static_cast<float>(weights.as<std::int8_t>()[at])
                                              : static_cast<float>(weights.data[at]);
        }
        const int packed = weights.data[row * bytes + column * static_cast<std::size_t>(bits) / 8];
        if (bits == 4) return static_cast<float>((column & 1 ? packed & 15 : packed >> 4) - 8);
        return static_cast<float>((packed >> (2 * (column & 3)) & 3) - 2);
    }
};

Status check(const Table& table, const Tensor& indices, const Tensor& out) {
    const Tensor& scales = table.scales;
    if ((table.bits == 8 ? table.weights.dtype != DType::i8 && table.weights.dtype != DType::u8
                         : table.weights.dtype != DType::u8) ||
        scales.dtype != DType::f32 || out.dtype != DType::f32 || (table.zeros && table.zeros->dtype != DType::f32) ||
        (indices.dtype != DType::i64 && indices.dtype != DType::i32))
        return error(Code::mismatch, "quantized embedding takes bytes, float32 scales and int32 or int64 indices");
    if (table.weights.rank != 2 || scales.rank < 1 || scales.rank > 2 || scales.sizes[0] != table.weights.sizes[0] ||
        (table.zeros && !same_sizes(*table.zeros, scales)) || table.groups() < 1 || table.width() % table.groups())
        return error(Code::mismatch, "quantized embedding: shapes do not fit together");
    for (const Tensor* tensor : {&table.weights, &scales, table.zeros, &indices, &out})
        for (int d = 0; tensor && d < tensor->rank; ++d)
            if (tensor->order[d] != d)
                return error(Code::unsupported, "quantized embedding of tensors that are not in plain memory order");
    return {};
}

// (weights, scales, zero_points or None, quant_min, quant_max, indices[, dtype], out [indices..., width]).
template <int Bits>
Status embedding(Args& args) {
    const Table table{args.tensor(0), args.tensor(1), args.optional_tensor(2), Bits};
    const Tensor& indices = args.tensor(5);
    Tensor& out = args.out(args.size() - 1);
    ETB_TRY(args.status);
    ETB_TRY(check(table, indices, out));
    Dims sizes(indices);
    if (sizes.rank == max_rank || table.width() > INT32_MAX)
        return error(Code::unsupported, "quantized embedding: result is too large");
    sizes.push(table.width());
    ETB_TRY(resize(out, sizes));
    const std::size_t count = out.count() ? indices.count() : 0;
    const auto width = static_cast<std::size_t>(table.width());
    const auto groups = static_cast<std::size_t>(table.groups());
    float* y = out.as<float>();
    for (std::size_t i = 0; i < count; ++i) {
        const std::int64_t row =
            indices.dtype == DType::i64 ? indices.as<std::int64_t>()[i] : indices.as<std::int32_t>()[i];
        if (row < 0 || row >= table.weights.sizes[0])
            return error(Code::out_of_bounds, "quantized embedding: no such row", static_cast<std::uint64_t>(row));
        const std::size_t first = static_cast<std::size_t>(row) * groups;
        for (std::size_t j = 0; j < width; ++j) {
            const std::size_t at = first + j / (width / groups);
            const float zero = table.zeros ? table.zeros->as<float>()[at] : 0;
            *y++ = (table.value(static_cast<std::size_t>(row), j) - zero) * table.scales.as<float>()[at];
        }
    }
    return {};
}

}  // namespace

ETB_KERNEL(embedding_byte, "quantized_decomposed::embedding_byte.out", embedding<8>);
ETB_KERNEL(embedding_byte_dtype, "quantized_decomposed::embedding_byte.dtype_out", embedding<8>);
ETB_KERNEL(embedding_4bit, "quantized_decomposed::embedding_4bit.out", embedding<4>);
ETB_KERNEL(embedding_4bit_dtype, "quantized_decomposed::embedding_4bit.dtype_out", embedding<4>);
ETB_KERNEL(embedding_2bit, "quantized_decomposed::embedding_2bit.out", embedding<2>);
ETB_KERNEL(embedding_2bit_dtype, "quantized_decomposed::embedding_2bit.dtype_out", embedding<2>);

}  // namespace etb
