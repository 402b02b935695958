// Elements in another place: aten::as_strided_copy, diagonal_copy, unfold_copy, tril, roll. Elements of any type are
// only copied. Tested by "rearrange" in test_portable_movement.py.
#include "kernels/element.h"
#include "kernels/view.h"

namespace etb {
namespace {

// as_strided_copy(self, size, stride, storage_offset or None, out): out[i, j, ..] = the element of self's memory at
// storage_offset + i stride[0] + j stride[1] + ... Contiguous memory order only.
Status as_strided(Args& args) {
    const Tensor& in = args.tensor(0);
    View view(in);
    view.sizes = args.integers(1);
    view.steps = args.integers(2);
    const std::int64_t offset = args.integer_or(3, 0);
    Tensor& out = args.out(4);
    args.demand(view.sizes.rank == view.steps.rank, "as_strided: another number of strides than sizes");
    for (int d = 0; d < in.rank; ++d) args.demand(in.order[d] == d, "as_strided: not in plain memory order");
    args.demand(&in != &out, "as_strided: result is its own input");
    ETB_TRY(args.status);
    const auto count = static_cast<std::int64_t>(in.count());
    std::int64_t last = offset;
    bool empty = false;
    for (int d = 0; d < view.sizes.rank; ++d) {
        if (view.sizes[d] < 0 || view.steps[d] < 0)
            return error(Code::mismatch, "as_strided: negative size or stride", static_cast<std::uint64_t>(d));
        empty = empty || view.sizes[d] == 0;
        if (last <= count) last += std::int64_t{view.sizes[d] - 1} * view.steps[d];
        if (view.sizes[d] == 1) view.steps[d] = 0;
    }
    if (!empty && (offset < 0 || last >= count))
        return error(Code::out_of_bounds, "as_strided: outside the memory of its input",
                     static_cast<std::uint64_t>(last));
    view.first = empty ? 0 : static_cast<std::ptrdiff_t>(offset);
    return copy_to(args, view, out);
}

// diagonal_copy(self, offset, dim1, dim2, out): out[.., i] = self with index i in dim1 and i + offset in dim2, or
// i - offset in dim1 and i in dim2 where offset is negative. The new dimension is the last.
Status diagonal(Args& args) {
    const Tensor& in = args.tensor(0);
    const std::int64_t offset = args.integer(1);
    const int a = args.dimension(args.integer(2), in.rank);
    const int b = args.dimension(args.integer(3), in.rank);
    args.demand(in.rank >= 2 && a != b, "diagonal of less than two dimensions");
    ETB_TRY(args.status);
    View view(in);
    const int moved = offset >= 0 ? b : a;
    const bool inside = offset > -std::int64_t{INT32_MAX} && offset < INT32_MAX;
    const std::int64_t skipped = !inside ? INT32_MAX : offset >= 0 ? offset : -offset;
    const std::int64_t left = std::int64_t{view.sizes[moved]} - skipped;
    const std::int64_t other = view.sizes[moved == a ? b : a];
    const std::int64_t count = left <= 0 ? 0 : left < other ? left : other;
    if (count > 0) view.first = static_cast<std::ptrdiff_t>(skipped) * view.steps[moved];
    const std::int32_t step = view.steps[a] + view.steps[b];
    view.drop(a > b ? a : b);
    view.drop(a > b ? b : a);
    view.insert(view.sizes.rank, static_cast<std::int32_t>(count));
    view.steps[view.sizes.rank - 1] = count > 1 ? step : 0;
    return copy_to(args, view, args.out(4));
}

// unfold_copy(self, dim, size, step, out): windows of `size` elements, `step` apart, along dim; out[.., w, .., i] is
// element i of window w.
Status unfold(Args& args) {
    const Tensor& in = args.tensor(0);
    const int d = args.dimension(args.integer(1), in.rank);
    const std::int64_t size = args.integer(2);
    const std::int64_t step = args.integer(3);
    View view(in);
    const std::int64_t length = in.rank ? in.sizes[d] : 1;
    args.demand(size >= 0 && size <= length && step > 0 && in.rank < max_rank, "unfold: wrong size or step");
    ETB_TRY(args.status);
    if (in.rank == 0) {
        view.insert(0, static_cast<std::int32_t>(size));
        return copy_to(args, view, args.out(4));
    }
    const std::int64_t windows = (length - size) / step + 1;
    const std::int32_t apart = view.steps[d];
    view.sizes[d] = static_cast<std::int32_t>(windows);
    view.steps[d] = windows > 1 ? static_cast<std::int32_t>(step) * apart : 0;
    view.insert(in.rank, static_cast<std::int32_t>(size));
    view.steps[in.rank] = apart;
    return copy_to(args, view, args.out(4));
}

// tril(self [.., rows, columns], diagonal, out): self, with 0 where column > row + diagonal.
Status tril(Args& args) {
    const Tensor& in = args.tensor(0);
    const std::int64_t diagonal = args.integer(1);
    Tensor& out = args.out(2);
    args.demand(in.rank >= 2 && in.dtype == out.dtype, "tril: wrong type or shape");
    ETB_TRY(copy_to(args, View(in), out));
    const Dims steps = strides(out);
    const std::size_t size = element_size(out.dtype);
    for (Place place(Dims{out}); place.more(); place.next())
        if (std::int64_t{place[out.rank - 1]} - place[out.rank - 2] > diagonal)
            std::memset(out.data + static_cast<std::size_t>(place.offset(steps)) * size, 0, size);
    return {};
}

// roll(self, shifts, dims, out): out[i] = self[(i - shift) mod size] along each of dims; without dims, of all elements
// in row-major order.
Status roll(Args& args) {
    const Tensor& in = args.tensor(0);
    const Dims shifts = args.integers(1);
    const Dims chosen = args.integers(2);
    Tensor& out = args.out(3);
    args.demand(in.dtype == out.dtype && &in != &out, "roll: result has another type, or is its own input");
    args.demand(shifts.rank == (chosen.rank ? chosen.rank : 1), "roll: another number of shifts than dimensions");
    ETB_TRY(args.status);
    ETB_TRY(resize(out, Dims(in)));
    const auto count = static_cast<std::int64_t>(in.count());
    if (count == 0) return {};
    const auto modulo = [](std::int64_t a, std::int64_t size) { return (a % size + size) % size; };
    std::int64_t back[max_rank] = {};  // how far before its place an element comes from
    for (int i = 0; i < chosen.rank; ++i) {
        const int d = args.dimension(chosen[i], in.rank);
        ETB_TRY(args.status);
        if (in.rank) back[d] = modulo(back[d] - shifts[i], in.sizes[d]);
    }
    const Dims from_steps = strides(in);
    const Dims to_steps = strides(out);
    std::int64_t flat = chosen.rank ? 0 : modulo(-std::int64_t{shifts[0]}, count);
    for (Place place(Dims{out}); place.more(); place.next(), flat = flat + 1 == count ? 0 : flat + 1) {
        std::ptrdiff_t from = 0;
        std::int64_t rest = flat;
        for (int d = in.rank - 1; d >= 0; --d) {
            const std::int64_t at = chosen.rank ? (place[d] + back[d]) % in.sizes[d] : rest % in.sizes[d];
            rest /= in.sizes[d];
            from += static_cast<std::ptrdiff_t>(at) * from_steps[d];
        }
        copy_one(out, place.offset(to_steps), in, from);
    }
    return {};
}

}  // namespace

ETB_KERNEL(as_strided_copy, "aten::as_strided_copy.out", as_strided);
ETB_KERNEL(diagonal_copy, "aten::diagonal_copy.out", diagonal);
ETB_KERNEL(unfold_copy, "aten::unfold_copy.out", unfold);
ETB_KERNEL(tril, "aten::tril.out", tril);
ETB_KERNEL(roll, "aten::roll.out", roll);

}  // namespace etb
