// Copies of a tensor in which some elements are replaced: aten::scatter, scatter_add, select_scatter, slice_scatter.
// An index outside its dimension is an error. Tested by "scatter" in test_portable_movement.py.
#include "kernels/element.h"
#include "kernels/view.h"

namespace etb {
namespace {

// The loop over `index` [..] of scatter: for each of its elements, the element of `out` that it selects along `dim`,
// and the element of `source` at the same index.
struct Scatter {
    const Tensor* index;
    const Tensor* source;  // null: none
    Tensor* out;
    int dim;
    View index_view, source_view, out_view;

    // A tensor without dimensions counts as one of shape [1].
    static View rows(const Tensor& tensor) {
        View view(tensor);
        if (tensor.rank == 0) view.insert(0);
        return view;
    }
    Status place() {
        index_view = rows(*index);
        out_view = rows(*out);
        if (source) source_view = rows(*source);
        if (index->count() == 0) return {};
        const Dims& sizes = index_view.sizes;
        bool fits = sizes.rank == out_view.sizes.rank && (!source || sizes.rank == source_view.sizes.rank);
        for (int d = 0; d < sizes.rank && fits; ++d) {
            if (source && out->rank == 0) source_view.sizes[d] = sizes[d];  // the one element, for every index
            fits = (d == dim || sizes[d] <= out_view.sizes[d]) && (!source || sizes[d] <= source_view.sizes[d]);
        }
        return fits ? Status() : error(Code::mismatch, "scatter: shapes do not fit together");
    }
    // visit(to, from): offsets in `out` and `source`.
    template <class Visit>
    Status each(Visit visit) const {
        if (index->count() == 0) return {};
        Dims others = out_view.steps;
        others[dim] = 0;
        for (Place at(index_view.sizes); at.more(); at.next()) {
            std::int32_t i = 0;
            ETB_TRY(load_index(*index, at.offset(index_view.steps), out_view.sizes[dim], false, i));
            visit(at.offset(others) + std::ptrdiff_t{i} * out_view.steps[dim],
                  source ? at.offset(source_view.steps) : std::ptrdiff_t{0});
        }
        return {};
    }
};

// Reads self, dim and index (arguments 0 to 2), and copies self to out.
Status begin(Args& args, Scatter& work, std::size_t out_at) {
    const Tensor& in = args.tensor(0);
    work.dim = args.dimension(args.integer(1), in.rank);
    work.index = &args.tensor(2);
    work.out = &args.out(out_at);
    args.demand(is_index(*work.index), "scatter: indices are neither int32 nor int64");
    args.demand(in.dtype == work.out->dtype && (!work.source || work.source->dtype == in.dtype),
                "scatter: different types");
    ETB_TRY(copy_to(args, View(in), *work.out));
    return work.place();
}

// scatter.src(self, dim, index, src, out): out[.., index[.., i, ..], ..] = src[.., i, ..].
Status scatter(Args& args) {
    Scatter work{};
    work.source = &args.tensor(3);
    ETB_TRY(begin(args, work, 4));
    return work.each([&](std::ptrdiff_t to, std::ptrdiff_t from) { copy_one(*work.out, to, *work.source, from); });
}

// scatter.value(self, dim, index, value, out): as scatter.src with one number.
Status scatter_value(Args& args) {
    Scatter work{};
    const double real = args.number(3);
    const bool as_real = args.is_float(3);
    const std::int64_t whole = as_real ? 0 : args.integer(3);
    args.demand(computes(args.tensor(0).dtype), "scatter: no numbers of this type");
    ETB_TRY(begin(args, work, 4));
    return work.each([&](std::ptrdiff_t to, std::ptrdiff_t) {
        if (as_real || is_float(work.out->dtype)) {
            store_one(*work.out, to, static_cast<Real>(real));
        } else {
            store_one(*work.out, to, whole);
        }
    });
}

template <class Lane>
Status add_all(const Scatter& work) {
    return work.each([&](std::ptrdiff_t to, std::ptrdiff_t from) {
        store_one(*work.out, to, plus(load_one<Lane>(*work.out, to), load_one<Lane>(*work.source, from)));
    });
}

// scatter_add(self, dim, index, src, out): out[.., index[.., i, ..], ..] += src[.., i, ..].
Status scatter_add(Args& args) {
    Scatter work{};
    work.source = &args.tensor(3);
    args.demand(computes(work.source->dtype), "scatter: no numbers of this type");
    ETB_TRY(begin(args, work, 4));
    return is_float(work.out->dtype) ? add_all<Real>(work) : add_all<std::int64_t>(work);
}

// select_scatter(self, src, dim, index, out): out = self, and out[.., index, ..] = src.
Status select_scatter(Args& args) {
    const Tensor& in = args.tensor(0);
    const Tensor& source = args.tensor(1);
    const int d = args.dimension(args.integer(2), in.rank);
    std::int64_t at = args.integer(3);
    Tensor& out = args.out(4);
    args.demand(in.rank > 0 && in.dtype == out.dtype, "select_scatter: wrong types or shapes");
    ETB_TRY(copy_to(args, View(in), out));
    if (at < 0) at += out.sizes[d];
    if (at < 0 || at >= out.sizes[d])
        return error(Code::out_of_bounds, "index outside its dimension", static_cast<std::uint64_t>(at));
    View place(out);
    place.narrow(d, static_cast<std::int32_t>(at), 1);
    place.drop(d);
    return copy(View(source), place);
}

// A slice bound, negative from the end, clamped to 0 .. size.
std::int64_t within(std::int64_t at, std::int64_t size) {
    if (at < 0) at += size;
    return at < 0 ? 0 : at > size ? size : at;
}

// slice_scatter(self, src, dim, start or None, end or None, step, out): out = self, and out[.., start : end : step, ..]
// = src.
Status slice_scatter(Args& args) {
    const Tensor& in = args.tensor(0);
    const Tensor& source = args.tensor(1);
    const int d = args.dimension(args.integer(2), in.rank);
    const std::int64_t step = args.integer(5);
    Tensor& out = args.out(6);
    args.demand(in.rank > 0 && step > 0 && step <= INT32_MAX && in.dtype == out.dtype,
                "slice_scatter: wrong step, type or shape");
    const std::int64_t first = args.integer_or(3, 0);
    const std::int64_t last = args.integer_or(4, INT64_MAX);
    ETB_TRY(copy_to(args, View(in), out));
    const std::int64_t start = within(first, out.sizes[d]);
    const std::int64_t end = within(last, out.sizes[d]);
    const std::int64_t count = end > start ? (end - start + step - 1) / step : 0;
    View place(out);
    place.narrow(d, static_cast<std::int32_t>(start), static_cast<std::int32_t>(count),
                 static_cast<std::int32_t>(step));
    return copy(View(source), place);
}

}  // namespace

ETB_KERNEL(scatter_src, "aten::scatter.src_out", scatter);
ETB_KERNEL(scatter_value, "aten::scatter.value_out", scatter_value);
ETB_KERNEL(scatter_add, "aten::scatter_add.out", scatter_add);
ETB_KERNEL(select_scatter, "aten::select_scatter.out", select_scatter);
ETB_KERNEL(slice_scatter, "aten::slice_scatter.out", slice_scatter);

}  // namespace etb
