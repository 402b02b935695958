// Elements selected by index tensors (int32 or int64): aten::index_select, gather, embedding, index.Tensor. An index
// outside its dimension is an error. Tested by "index" in test_movement.py.
#include <initializer_list>

#include "kernels/chosen.h"
#include "kernels/view.h"

namespace etb {
namespace {

bool same_dims(const Dims& a, const Dims& b) {
    bool same = a.rank == b.rank;
    for (int d = 0; d < a.rank && same; ++d) same = a[d] == b[d];
    return same;
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
        ETB_TRY(load_index(indices, i, in.sizes[d], false, index));
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
            ETB_TRY(load_index(indices, walk.at(1) + i * walk.step(1), in.sizes[d], false, index));
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
        ETB_TRY(load_index(indices, static_cast<std::ptrdiff_t>(i), weight.sizes[0], false, index));
        std::memcpy(out.data + i * row, weight.data + static_cast<std::size_t>(index) * row, row);
    }
    return {};
}

// index(self, indices, out): self[indices], see Chosen.
Status index(Args& args) {
    const Tensor& in = args.tensor(0);
    const Span<Value* const> list = args.tensors(1);
    Tensor& out = args.out(2);
    args.demand(in.dtype == out.dtype, "index: result has another type than its input");
    args.demand(&in != &out, "index: result is its own input");
    ETB_TRY(args.status);
    Chosen chosen;
    ETB_TRY(Chosen::of(args, in, list, chosen));
    const Dims sizes = chosen.sizes();
    ETB_TRY(resize(out, sizes));
    ETB_TRY(Chosen::of(args, in, list, chosen));  // again: the result may be one of the indices
    if (!same_dims(chosen.sizes(), sizes)) return error(Code::mismatch, "index: result is one of its own indices");
    const Dims steps = strides(out);
    for (Place place(sizes); place.more(); place.next()) {
        std::ptrdiff_t from = 0;
        ETB_TRY(chosen.offset(place, from));
        copy_one(out, place.offset(steps), in, from);
    }
    return {};
}

}  // namespace

ETB_KERNEL(index_select, "aten::index_select.out", index_select);
ETB_KERNEL(gather, "aten::gather.out", gather);
ETB_KERNEL(embedding, "aten::embedding.out", embedding);
ETB_KERNEL(index, "aten::index.Tensor_out", index);

}  // namespace etb
