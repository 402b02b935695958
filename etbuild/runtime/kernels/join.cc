// Concatenation, stacking, repetition and padding: aten::cat, stack, repeat, constant_pad_nd. Tested by "join" in
// test_movement.py.
#include "kernels/fill.h"
#include "kernels/view.h"

namespace etb {
namespace {

// As in PyTorch, cat ignores a tensor of shape [0] whatever the rank of the others.
bool is_nothing(const Tensor& tensor) { return tensor.rank == 1 && tensor.sizes[0] == 0; }

// cat(tensors, dim, out): concatenated along dim.
Status cat(Args& args) {
    const Span<Value* const> parts = args.tensors(0);
    Tensor& out = args.out(2);
    const int d = args.dimension(args.integer(1), out.rank);
    ETB_TRY(args.status);
    Dims sizes;
    for (const Value* part : parts) {
        const Tensor& tensor = *part->tensor;
        if (is_nothing(tensor) && out.rank != 1) continue;
        if (tensor.rank != out.rank || out.rank == 0)
            return error(Code::mismatch, "cat: parts with different numbers of dimensions");
        if (sizes.rank == 0) {
            sizes = Dims(tensor);
        } else if (__builtin_add_overflow(sizes[d], tensor.sizes[d], &sizes[d])) {
            return error(Code::mismatch, "cat: result is too large");
        }
    }
    ETB_TRY(resize(out, sizes));
    std::int32_t start = 0;
    for (const Value* part : parts) {
        const Tensor& tensor = *part->tensor;
        if (is_nothing(tensor)) continue;
        View place(out);
        place.narrow(d, start, tensor.sizes[d]);
        ETB_TRY(copy(View(tensor), place));
        start += tensor.sizes[d];
    }
    return {};
}

// stack(tensors, dim, out): concatenated along a new dimension.
Status stack(Args& args) {
    const Span<Value* const> parts = args.tensors(0);
    Tensor& out = args.out(2);
    const int d = args.dimension(args.integer(1), out.rank);
    ETB_TRY(args.status);
    if (parts.empty() || parts[0]->tensor->rank != out.rank - 1)
        return error(Code::mismatch, "stack: parts with a wrong number of dimensions");
    View first(*parts[0]->tensor);
    first.insert(d, static_cast<std::int32_t>(parts.size));
    ETB_TRY(resize(out, first.sizes));
    for (std::size_t i = 0; i < parts.size; ++i) {
        View place(out);
        place.narrow(d, static_cast<std::int32_t>(i), 1);
        place.drop(d);
        ETB_TRY(copy(View(*parts[i]->tensor), place));
    }
    return {};
}

// repeat(self, repeats, out): repeats[d] copies along dimension d; leading dimensions of size 1 are added as needed.
Status repeat(Args& args) {
    const Tensor& in = args.tensor(0);
    const Dims repeats = args.integers(1);
    Tensor& out = args.out(2);
    View part(in);
    while (part.sizes.rank < repeats.rank) part.insert(0);
    args.demand(part.sizes.rank == repeats.rank, "repeat: fewer repeats than dimensions");
    ETB_TRY(args.status);
    Dims sizes = part.sizes;
    for (int d = 0; d < sizes.rank; ++d)
        if (repeats[d] < 0 || __builtin_mul_overflow(sizes[d], repeats[d], &sizes[d]))
            return error(Code::mismatch, "repeat: wrong number of repeats", static_cast<std::uint64_t>(d));
    ETB_TRY(resize(out, sizes));
    if (out.count() == 0) return {};
    Dims index;
    index.rank = repeats.rank;
    for (;;) {
        View place(out);
        for (int d = 0; d < repeats.rank; ++d) place.narrow(d, index[d] * part.sizes[d], part.sizes[d]);
        ETB_TRY(copy(part, place));
        int d = repeats.rank - 1;
        while (d >= 0 && ++index[d] == repeats[d]) index[d--] = 0;
        if (d < 0) return {};
    }
}

// constant_pad_nd(self, pad, value, out). pad: elements before and after, per dimension, the last dimension first; not
// negative.
Status constant_pad(Args& args) {
    const Tensor& in = args.tensor(0);
    const Value& pad = args.value(1);
    Tensor& out = args.out(3);
    args.demand(pad.type == ValueType::integers && pad.count % 2 == 0 && pad.count / 2 <= in.rank,
                "pad: wrong number of paddings");
    ETB_TRY(args.status);
    Dims sizes(in);
    Dims start;
    for (std::uint32_t i = 0; i < pad.count / 2; ++i) {
        const int d = in.rank - 1 - static_cast<int>(i);
        std::int64_t edges[2];
        for (std::uint32_t k = 0; k < 2; ++k) {
            const Value* edge = pad.items[2 * i + k];
            if (!edge || edge->type != ValueType::integer || edge->integer < 0 || edge->integer > INT32_MAX)
                return error(Code::mismatch, "pad: wrong padding", i);
            edges[k] = edge->integer;
        }
        const std::int64_t size = in.sizes[d] + edges[0] + edges[1];
        if (size > INT32_MAX) return error(Code::mismatch, "pad: result is too large");
        sizes[d] = static_cast<std::int32_t>(size);
        start[d] = static_cast<std::int32_t>(edges[0]);
    }
    ETB_TRY(resize(out, sizes));
    ETB_TRY(fill_with(args, 2, out));
    View place(out);
    for (int d = 0; d < in.rank; ++d) place.narrow(d, start[d], in.sizes[d]);
    return copy(View(in), place);
}

}  // namespace

ETB_KERNEL(cat, "aten::cat.out", cat);
ETB_KERNEL(stack, "aten::stack.out", stack);
ETB_KERNEL(repeat, "aten::repeat.out", repeat);
ETB_KERNEL(constant_pad_nd, "aten::constant_pad_nd.out", constant_pad);

}  // namespace etb
