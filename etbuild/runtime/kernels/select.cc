// Parts of a tensor and permutations of its dimensions (ATen *_copy operators, flip, pixel_shuffle). Elements are only
// copied. Tested by "select" in test_movement.py.
#include "kernels/view.h"

namespace etb {
namespace {

// permute_copy(self, dims, out): dimension d of out is dimension dims[d] of self.
Status permute(Args& args) {
    const Tensor& in = args.tensor(0);
    const Dims order = args.integers(1);
    const View all(in);
    View view(in);
    args.demand(order.rank == in.rank, "permute: another number of dimensions");
    unsigned seen = 0;
    for (int d = 0; d < order.rank && args.status.ok(); ++d) {
        const int from = args.dimension(order[d], in.rank);
        seen |= 1u << from;
        view.sizes[d] = all.sizes[from];
        view.steps[d] = all.steps[from];
    }
    args.demand(seen == (1u << in.rank) - 1, "permute: not an order of the dimensions");
    return copy_to(args, view, args.out(2));
}

// transpose_copy(self, dim0, dim1, out): the two dimensions exchanged.
Status transpose(Args& args) {
    const Tensor& in = args.tensor(0);
    View view(in);
    view.swap(args.dimension(args.integer(1), in.rank), args.dimension(args.integer(2), in.rank));
    return copy_to(args, view, args.out(3));
}

// t_copy(self, out): a matrix transposed; a tensor of lower rank unchanged.
Status transpose_matrix(Args& args) {
    const Tensor& in = args.tensor(0);
    View view(in);
    args.demand(in.rank <= 2, "t: more than two dimensions");
    if (in.rank == 2) view.swap(0, 1);
    return copy_to(args, view, args.out(1));
}

// A slice bound, negative from the end, clamped to 0 .. size.
std::int64_t within(std::int64_t at, std::int64_t size) {
    if (at < 0) at += size;
    return at < 0 ? 0 : at > size ? size : at;
}

// slice_copy(self, dim, start or None, end or None, step, out). step > 0; bounds may be negative or beyond the end.
Status slice(Args& args) {
    const Tensor& in = args.tensor(0);
    View view(in);
    const int d = args.dimension(args.integer(1), in.rank);
    const std::int64_t step = args.integer(4);
    args.demand(in.rank > 0 && step > 0 && step <= INT32_MAX, "slice: wrong step");
    ETB_TRY(args.status);
    const std::int64_t start = within(args.integer_or(2, 0), in.sizes[d]);
    const std::int64_t end = within(args.integer_or(3, INT64_MAX), in.sizes[d]);
    const std::int64_t count = end > start ? (end - start + step - 1) / step : 0;
    view.narrow(d, static_cast<std::int32_t>(start), static_cast<std::int32_t>(count), static_cast<std::int32_t>(step));
    return copy_to(args, view, args.out(5));
}

// An index into a dimension, negative from the end. If it is outside, an error is recorded in args.
std::int32_t position(Args& args, std::int64_t at, std::int32_t size) {
    args.demand(at >= -size && at < size, "index outside its dimension", static_cast<std::uint64_t>(at));
    return args.status.ok() ? static_cast<std::int32_t>(at < 0 ? at + size : at) : 0;
}

// select_copy(self, dim, index, out): out = self[.., index, ..], without the dimension.
Status select(Args& args) {
    const Tensor& in = args.tensor(0);
    View view(in);
    const int d = args.dimension(args.integer(1), in.rank);
    args.demand(in.rank > 0, "select from a scalar");
    ETB_TRY(args.status);
    view.narrow(d, position(args, args.integer(2), in.sizes[d]), 1);
    view.drop(d);
    return copy_to(args, view, args.out(3));
}

// narrow_copy(self, dim, start, length, out): out = self[.., start : start + length, ..].
Status narrow(Args& args) {
    const Tensor& in = args.tensor(0);
    View view(in);
    const int d = args.dimension(args.integer(1), in.rank);
    args.demand(in.rank > 0, "narrow of a scalar");
    ETB_TRY(args.status);
    std::int64_t start = args.integer(2);
    if (start < 0) start += in.sizes[d];
    const std::int64_t length = args.integer(3);
    args.demand(start >= 0 && length >= 0 && start <= in.sizes[d] && length <= in.sizes[d] - start,
                "narrow: outside its dimension");
    ETB_TRY(args.status);
    view.narrow(d, static_cast<std::int32_t>(start), static_cast<std::int32_t>(length));
    return copy_to(args, view, args.out(4));
}

// expand_copy(self, size, implicit, out): self broadcast to `size`, where -1 means the dimension's own size.
Status expand(Args& args) {
    const Tensor& in = args.tensor(0);
    View view(in);
    view.sizes = args.integers(1);
    const int missing = view.sizes.rank - in.rank;
    for (int d = 0; d < view.sizes.rank; ++d)
        if (view.sizes[d] == -1 && d >= missing) view.sizes[d] = in.sizes[d - missing];
    view.steps = broadcast_strides(args, in, view.sizes);
    return copy_to(args, view, args.out(3));
}

// flip(self, dims, out): the given dimensions reversed.
Status flip(Args& args) {
    const Tensor& in = args.tensor(0);
    const Dims chosen = args.integers(1);
    View view(in);
    for (int i = 0; i < chosen.rank; ++i) {
        const int d = args.dimension(chosen[i], in.rank);
        if (args.status.ok() && in.rank > 0 && in.sizes[d] > 0) view.reverse(d);
    }
    return copy_to(args, view, args.out(2));
}

// split_copy(self, split_size, dim, outs): parts of split_size along dim; the last may be shorter.
Status split(Args& args) {
    const Tensor& in = args.tensor(0);
    const std::int64_t size = args.integer(1);
    const int d = args.dimension(args.integer(2), in.rank);
    const Span<Value* const> outs = args.outs(3);
    args.demand(size > 0 && in.rank > 0, "split: wrong size of a part");
    ETB_TRY(args.status);
    std::int64_t start = 0;
    for (std::size_t i = 0; i < outs.size; ++i, start += size) {
        const std::int64_t left = in.sizes[d] - start;
        if (left < 0) return error(Code::mismatch, "split: more parts than elements", i);
        View view(in);
        view.narrow(d, static_cast<std::int32_t>(start), static_cast<std::int32_t>(left < size ? left : size));
        ETB_TRY(copy_to(args, view, *outs[i]->tensor));
    }
    return {};
}

// split_with_sizes_copy(self, split_sizes, dim, outs).
Status split_with_sizes(Args& args) {
    const Tensor& in = args.tensor(0);
    const Value& sizes = args.value(1);
    const int d = args.dimension(args.integer(2), in.rank);
    const Span<Value* const> outs = args.outs(3);
    args.demand(sizes.type == ValueType::integers && sizes.count == outs.size && in.rank > 0,
                "split: as many sizes as parts are needed");
    ETB_TRY(args.status);
    std::int64_t start = 0;
    for (std::size_t i = 0; i < outs.size; ++i) {
        const Value* size = sizes.items[i];
        if (!size || size->type != ValueType::integer || size->integer < 0 || size->integer > in.sizes[d] - start)
            return error(Code::mismatch, "split: part outside its dimension", i);
        View view(in);
        view.narrow(d, static_cast<std::int32_t>(start), static_cast<std::int32_t>(size->integer));
        ETB_TRY(copy_to(args, view, *outs[i]->tensor));
        start += size->integer;
    }
    return {};
}

// unbind_copy(self, dim, outs): outs[i] = self[.., i, ..], without the dimension.
Status unbind(Args& args) {
    const Tensor& in = args.tensor(0);
    const int d = args.dimension(args.integer(1), in.rank);
    const Span<Value* const> outs = args.outs(2);
    ETB_TRY(args.status);
    if (in.rank == 0 || outs.size != static_cast<std::size_t>(in.sizes[d]))
        return error(Code::mismatch, "unbind: another number of parts than elements", outs.size);
    for (std::size_t i = 0; i < outs.size; ++i) {
        View view(in);
        view.narrow(d, static_cast<std::int32_t>(i), 1);
        view.drop(d);
        ETB_TRY(copy_to(args, view, *outs[i]->tensor));
    }
    return {};
}

// pixel_shuffle(self, r, out): [.., C r r, H, W] to [.., C, H r, W r]; pixel_unshuffle: the inverse.
template <bool Back>
Status pixel_shuffle(Args& args) {
    const Tensor& in = args.tensor(0);
    const std::int64_t wide = args.integer(1);
    Tensor& out = args.out(2);
    args.demand(in.rank >= 3 && in.rank <= max_rank - 2 && wide > 0 && wide < 4096,
                "pixel_shuffle: wrong shape or factor");
    ETB_TRY(args.status);
    const auto r = static_cast<std::int32_t>(wide);
    const int c = in.rank - 3;
    Dims sizes(in);
    std::int32_t many = 0;
    if (Back ? (sizes[c + 1] % r || sizes[c + 2] % r) : sizes[c] % (r * r) != 0)
        return error(Code::mismatch, "pixel_shuffle: shape is not a multiple of the factor");
    if (__builtin_mul_overflow(sizes[c], Back ? r * r : 1, &many) ||
        __builtin_mul_overflow(sizes[c + 1], Back ? 1 : r, &sizes[c + 1]) ||
        __builtin_mul_overflow(sizes[c + 2], Back ? 1 : r, &sizes[c + 2]))
        return error(Code::mismatch, "pixel_shuffle: result is too large");
    sizes[c] = Back ? many : many / (r * r);
    if (Back) sizes[c + 1] /= r;
    if (Back) sizes[c + 2] /= r;
    ETB_TRY(resize(out, sizes));
    const Tensor& deep = Back ? out : in;  // the tensor with C r r channels
    const Tensor& broad = Back ? in : out;
    // Both tensors viewed as [.., C, r, r, H, W].
    View channels(deep);
    channels.insert(c + 1, r);
    channels.insert(c + 2, r);
    channels.sizes[c] /= r * r;
    channels.steps[c + 2] = channels.steps[c];
    channels.steps[c + 1] = channels.steps[c] * r;
    channels.steps[c] *= r * r;
    View pixels(broad);
    pixels.insert(c + 1, r);
    pixels.insert(c + 2, r);
    for (int k = 0; k < 2; ++k) {
        pixels.steps[c + 1 + k] = pixels.steps[c + 3 + k];
        pixels.steps[c + 3 + k] *= r;
        pixels.sizes[c + 3 + k] /= r;
    }
    return Back ? copy(pixels, channels) : copy(channels, pixels);
}

}  // namespace

ETB_KERNEL(permute_copy, "aten::permute_copy.out", permute);
ETB_KERNEL(cortex_m_transpose, "cortex_m::transpose.out", permute);
ETB_KERNEL(transpose_copy, "aten::transpose_copy.int_out", transpose);
ETB_KERNEL(t_copy, "aten::t_copy.out", transpose_matrix);
ETB_KERNEL(slice_copy, "aten::slice_copy.Tensor_out", slice);
ETB_KERNEL(select_copy, "aten::select_copy.int_out", select);
ETB_KERNEL(narrow_copy, "aten::narrow_copy.out", narrow);
ETB_KERNEL(expand_copy, "aten::expand_copy.out", expand);
ETB_KERNEL(flip, "aten::flip.out", flip);
ETB_KERNEL(split_copy, "aten::split_copy.Tensor_out", split);
ETB_KERNEL(split_with_sizes_copy, "aten::split_with_sizes_copy.out", split_with_sizes);
ETB_KERNEL(unbind_copy, "aten::unbind_copy.int_out", unbind);
ETB_KERNEL(pixel_shuffle, "aten::pixel_shuffle.out", pixel_shuffle<false>);
ETB_KERNEL(pixel_unshuffle, "aten::pixel_unshuffle.out", pixel_shuffle<true>);

}  // namespace etb
