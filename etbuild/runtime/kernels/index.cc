// Elements selected by index tensors (int32 or int64): aten::index_select, gather, embedding, index.Tensor. An index
// outside its dimension is an error. Tested by "index" in test_movement.py.
#include <initializer_list>

#include "kernels/lanes.h"
#include "kernels/view.h"

namespace etb {
namespace {

bool is_index(const Tensor& tensor) { return tensor.dtype == DType::i64 || tensor.dtype == DType::i32; }

// Read the index at offset `at` and check it. wrap: a negative index counts from the end.
Status index_at(const Tensor& indices, std::ptrdiff_t at, std::int32_t size, bool wrap, std::int32_t& index) {
    std::int64_t wide = 0;
    load_lanes(indices, at, 1, 1, &wide);
    if (wrap && wide < 0) wide += size;
    if (wide < 0 || wide >= size)
        return error(Code::out_of_bounds, "index outside its dimension", static_cast<std::uint64_t>(wide));
    index = static_cast<std::int32_t>(wide);
    return {};
}

// index_select(self, dim, index, out): out[.., i, ..] = self[.., index[i], ..]. index: rank 0 or 1.
Status index_select(Args& args) {
    const Tensor& in = args.tensor(0);
    const int d = args.dimension(args.integer(1), in.rank);
    const Tensor& indices = args.tensor(2);
    Tensor& out = args.out(3);
    args.demand(is_index(indices) && indices.rank <= 1 && in.rank > 0 && in.dtype == out.dtype,
                "index_select: wrong types or shapes");
    ETB_TRY(args.status);
    Dims sizes(in);
    sizes[d] = static_cast<std::int32_t>(indices.count());
    ETB_TRY(resize(out, sizes));
    for (std::int32_t i = 0; i < sizes[d]; ++i) {
        std::int32_t index = 0;
        ETB_TRY(index_at(indices, i, in.sizes[d], false, index));
        View from(in);
        View to(out);
        from.narrow(d, index, 1);
        to.narrow(d, i, 1);
        ETB_TRY(copy(from, to));
    }
    return {};
}

// gather(self, dim, index, sparse_grad, out): out[.., i, ..] = self[.., index[.., i, ..], ..].
Status gather(Args& args) {
    const Tensor& in = args.tensor(0);
    const int d = args.dimension(args.integer(1), in.rank);
    const Tensor& indices = args.tensor(2);
    Tensor& out = args.out(4);
    args.demand(is_index(indices) && indices.rank == in.rank && in.rank > 0 && in.dtype == out.dtype,
                "gather: wrong types or shapes");
    ETB_TRY(args.status);
    for (int i = 0; i < in.rank; ++i)
        if (i != d && indices.sizes[i] > in.sizes[i])
            return error(Code::mismatch, "gather: more indices than elements");
    ETB_TRY(resize(out, Dims(indices)));
    const Dims in_steps = strides(in);
    Dims others = in_steps;
    others[d] = 0;
    const Dims steps[] = {strides(out), strides(indices), others};
    const std::size_t size = element_size(in.dtype);
    for (Walk walk(Dims(indices), steps); walk.run(); walk.next())
        for (std::int32_t i = 0; i < walk.run(); ++i) {
            std::int32_t index = 0;
            ETB_TRY(index_at(indices, walk.at(1) + i * walk.step(1), in.sizes[d], false, index));
            const std::ptrdiff_t from = walk.at(2) + i * walk.step(2) + std::ptrdiff_t{index} * in_steps[d];
            const std::ptrdiff_t to = walk.at(0) + i * walk.step(0);
            std::memcpy(out.data + static_cast<std::size_t>(to) * size, in.data + static_cast<std::size_t>(from) * size,
                        size);
        }
    return {};
}

// embedding(weight [rows, columns], indices [...], padding_idx, scale_grad_by_freq, sparse, out [..., columns]):
// out[..., :] = weight[indices[...], :]. Contiguous memory order only.
Status embedding(Args& args) {
    const Tensor& weight = args.tensor(0);
    const Tensor& indices = args.tensor(1);
    Tensor& out = args.out(5);
    args.demand(is_index(indices) && weight.rank == 2 && weight.dtype == out.dtype && indices.rank < max_rank,
                "embedding: wrong types or shapes");
    ETB_TRY(args.status);
    Dims sizes(indices);
    sizes.push(weight.sizes[1]);
    ETB_TRY(resize(out, sizes));
    for (const Tensor* tensor : {&weight, &indices, static_cast<const Tensor*>(&out)})
        for (int d = 0; d < tensor->rank; ++d)
            if (tensor->order[d] != d) return error(Code::unsupported, "embedding: not in plain memory order");
    const std::size_t row = static_cast<std::size_t>(weight.sizes[1]) * element_size(weight.dtype);
    const std::size_t count = indices.count();
    for (std::size_t i = 0; i < count; ++i) {
        std::int32_t index = 0;
        ETB_TRY(index_at(indices, static_cast<std::ptrdiff_t>(i), weight.sizes[0], false, index));
        std::memcpy(out.data + i * row, weight.data + static_cast<std::size_t>(index) * row, row);
    }
    return {};
}

// How the dimensions of index.Tensor's result are derived from self and the index tensors.
struct Chosen {
    const Tensor* indices[max_rank] = {};  // per dimension of self; null: not indexed
    Dims steps[max_rank];                  // strides of the index tensors, broadcast to `shape`
    Dims shape;                            // of the index tensors after broadcasting
    int first = -1;                        // first dimension of the result that comes from `shape`
};

// Fills `chosen` and the sizes of the result. As in PyTorch, `shape` replaces the indexed dimensions where they are
// adjacent; otherwise it becomes the leading dimensions of the result.
Status choose(Args& args, const Tensor& in, Span<Value* const> list, Chosen& chosen, Dims& sizes) {
    bool adjacent = true;
    int last = -1;
    for (std::size_t i = 0; i < list.size; ++i) {
        const Tensor* indices = args.item(list, i);
        if (!indices) continue;
        if (!is_index(*indices)) return error(Code::unsupported, "index: indices are neither int32 nor int64");
        const int d = static_cast<int>(i);
        chosen.indices[d] = indices;
        chosen.shape = broadcast_sizes(args, chosen.shape, Dims(*indices));
        if (chosen.first < 0) chosen.first = d;
        adjacent = adjacent && (last < 0 || last == d - 1);
        last = d;
    }
    ETB_TRY(args.status);
    if (chosen.first < 0) return error(Code::mismatch, "index: no indices");
    if (!adjacent) chosen.first = 0;
    for (int d = 0, kept = 0; d <= in.rank; ++d) {
        if (kept == chosen.first && sizes.rank == chosen.first)
            for (int i = 0; i < chosen.shape.rank; ++i) sizes.push(chosen.shape[i]);
        if (d == in.rank || chosen.indices[d]) continue;
        sizes.push(in.sizes[d]);
        ++kept;
    }
    for (int d = 0; d < in.rank; ++d)
        if (chosen.indices[d]) chosen.steps[d] = broadcast_strides(args, *chosen.indices[d], chosen.shape);
    return args.status;
}

// index(self, indices, out): advanced indexing. indices: one index tensor per dimension of self, or None.
Status index(Args& args) {
    const Tensor& in = args.tensor(0);
    const Span<Value* const> list = args.tensors(1);
    Tensor& out = args.out(2);
    args.demand(list.size <= in.rank && in.dtype == out.dtype, "index: more indices than dimensions, or another type");
    ETB_TRY(args.status);
    Chosen chosen;
    Dims sizes;
    ETB_TRY(choose(args, in, list, chosen, sizes));
    ETB_TRY(resize(out, sizes));
    const Dims in_steps = strides(in);
    const Dims out_steps = strides(out);
    // For each element of the result, compute its multi-index and from it the input's offset.
    const std::size_t count = out.count();
    const std::size_t size = element_size(in.dtype);
    for (std::size_t flat = 0; flat < count; ++flat) {
        std::int32_t at[max_rank] = {};
        std::size_t rest = flat;
        std::ptrdiff_t to = 0;
        for (int d = sizes.rank - 1; d >= 0; --d) {
            at[d] = static_cast<std::int32_t>(rest % static_cast<std::size_t>(sizes[d]));
            rest /= static_cast<std::size_t>(sizes[d]);
            to += std::ptrdiff_t{at[d]} * out_steps[d];
        }
        std::ptrdiff_t from = 0;
        for (int d = 0, o = 0; d < in.rank; ++d) {
            if (o == chosen.first) o += chosen.shape.rank;
            std::int32_t place = 0;
            if (chosen.indices[d]) {
                std::ptrdiff_t offset = 0;
                for (int i = 0; i < chosen.shape.rank; ++i)
                    offset += std::ptrdiff_t{at[chosen.first + i]} * chosen.steps[d][i];
                ETB_TRY(index_at(*chosen.indices[d], offset, in.sizes[d], true, place));
            } else {
                place = at[o++];
            }
            from += std::ptrdiff_t{place} * in_steps[d];
        }
        std::memcpy(out.data + static_cast<std::size_t>(to) * size, in.data + static_cast<std::size_t>(from) * size,
                    size);
    }
    return {};
}

}  // namespace

ETB_KERNEL(index_select, "aten::index_select.out", index_select);
ETB_KERNEL(gather, "aten::gather.out", gather);
ETB_KERNEL(embedding, "aten::embedding.out", embedding);
ETB_KERNEL(index, "aten::index.Tensor_out", index);

}  // namespace etb
