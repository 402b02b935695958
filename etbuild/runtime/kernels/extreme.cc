// Maxima, minima, their indices, top k, and any: aten::amax, amin, max, min, argmax, argmin, any, topk. NaN wins over
// every number, for maxima and for minima. Of equal elements the first wins. Tested by "extreme" in test_reduction.py.
#include "kernels/reals.h"
#include "kernels/reduce.h"

namespace etb {
namespace {

// Whether a wins over b: larger (Largest) or smaller, or NaN where b is not.
template <bool Largest, class T>
bool beyond(T a, T b) {
    if (b != b) return false;
    return a != a || (Largest ? a > b : a < b);
}

// The accumulator of a maximum or minimum.
template <class Lane>
struct Best {
    Lane value;
    std::int64_t at;    // index of `value` among the reduced elements
    std::int64_t seen;  // elements so far

    static void begin(void* state) { *static_cast<Best*>(state) = Best{}; }
    template <bool Largest>
    static void take(void* state, const Lane* lanes, int count) {
        Best& best = *static_cast<Best*>(state);
        for (int i = 0; i < count; ++i, ++best.seen)
            if (best.seen == 0 || beyond<Largest>(lanes[i], best.value)) {
                best.value = lanes[i];
                best.at = best.seen;
            }
    }
    static Lane value_of(void* state, std::size_t) { return static_cast<Best*>(state)->value; }
    static Lane place_of(void* state, std::size_t) { return static_cast<Lane>(static_cast<Best*>(state)->at); }
};

// Reduces to the extreme values, or with `places` to their indices along the reduced dimension.
template <bool Largest>
Status best(const Reduction& reduction, bool places) {
    if (reduction.length == 0 && reduction.out->count() != 0)
        return error(Code::mismatch, "no largest or smallest of nothing");
    if (is_float(reduction.in->dtype)) {
        using B = Best<Real>;
        B state;
        // The index is returned as a float, which is exact up to 2^24.
        fold<Real>(reduction, {&state, B::begin, B::take<Largest>, places ? B::place_of : B::value_of});
    } else {
        using B = Best<std::int64_t>;
        B state;
        fold<std::int64_t>(reduction, {&state, B::begin, B::take<Largest>, places ? B::place_of : B::value_of});
    }
    return {};
}

Status same_type(const Tensor& in, const Tensor& out) {
    if (in.dtype != out.dtype) return error(Code::mismatch, "result has another type than its input");
    return {};
}

// amax, amin (self, dims, keepdim, out).
template <bool Largest>
Status over_dims(Args& args) {
    Reduction reduction;
    Tensor& out = args.out(3);
    ETB_TRY(Reduction::of(args, args.tensor(0), args.integers(1), args.boolean(2), out, reduction));
    ETB_TRY(same_type(*reduction.in, out));
    return best<Largest>(reduction, false);
}

// max, min (self, out): over all elements.
template <bool Largest>
Status over_all(Args& args) {
    Reduction reduction;
    Tensor& out = args.out(1);
    ETB_TRY(Reduction::of(args, args.tensor(0), {}, false, out, reduction));
    ETB_TRY(same_type(*reduction.in, out));
    return best<Largest>(reduction, false);
}

// max.dim, min.dim (self, dim, keepdim, values, indices).
template <bool Largest>
Status with_places(Args& args) {
    Reduction values;
    Reduction places;
    Tensor& out = args.out(3);
    Tensor& at = args.out(4);
    ETB_TRY(Reduction::of(args, args.tensor(0), args.integers(1), args.boolean(2), out, values));
    ETB_TRY(Reduction::of(args, args.tensor(0), args.integers(1), args.boolean(2), at, places));
    ETB_TRY(same_type(*values.in, out));
    if (at.dtype != DType::i64 || values.gone_sizes.rank > 1) return error(Code::mismatch, "places are not int64");
    ETB_TRY(best<Largest>(values, false));
    return best<Largest>(places, true);
}

// argmax, argmin (self, dim or None, keepdim, out).
template <bool Largest>
Status place(Args& args) {
    Reduction reduction;
    Tensor& out = args.out(3);
    ETB_TRY(Reduction::of(args, args.tensor(0), args.integers(1), args.boolean(2), out, reduction));
    if (out.dtype != DType::i64) return error(Code::mismatch, "places are not int64");
    return best<Largest>(reduction, true);
}

// The accumulator of `any`: a bool.
template <class Lane>
struct Any {
    static void begin(void* state) { *static_cast<bool*>(state) = false; }
    static void take(void* state, const Lane* lanes, int count) {
        for (int i = 0; i < count; ++i)
            if (lanes[i] != 0) *static_cast<bool*>(state) = true;
    }
    static Lane end(void* state, std::size_t) { return static_cast<Lane>(*static_cast<bool*>(state)); }
};

Status any_over(Args& args, const Dims& dims, bool keep, Tensor& out) {
    Reduction reduction;
    ETB_TRY(Reduction::of(args, args.tensor(0), dims, keep, out, reduction));
    bool state;
    if (is_float(reduction.in->dtype)) {
        fold<Real>(reduction, {&state, Any<Real>::begin, Any<Real>::take, Any<Real>::end});
    } else {
        using A = Any<std::int64_t>;
        fold<std::int64_t>(reduction, {&state, A::begin, A::take, A::end});
    }
    return {};
}

// any(self, dim or dims, keepdim, out).
Status any(Args& args) { return any_over(args, args.integers(1), args.boolean(2), args.out(3)); }

// any(self, out): over all elements.
Status any_of_all(Args& args) { return any_over(args, {}, false, args.out(1)); }

// topk(self, k, dim, largest, sorted, values, indices). Always sorted; equal elements in the order of their indices.
Status topk(Args& args) {
    const Tensor& in = args.tensor(0);
    const std::int64_t k = args.integer(1);
    const int d = args.dimension(args.integer(2), in.rank);
    const bool largest = args.boolean(3);
    Tensor& values = args.out(5);
    Tensor& places = args.out(6);
    args.demand(in.rank > 0 && computes(in.dtype) && places.dtype == DType::i64 && values.dtype == in.dtype,
                "topk: wrong types");
    ETB_TRY(args.status);
    if (k < 0 || k > in.sizes[d]) return error(Code::mismatch, "topk: more than there are");
    Dims sizes(in);
    sizes[d] = static_cast<std::int32_t>(k);
    ETB_TRY(resize(values, sizes));
    ETB_TRY(resize(places, sizes));
    const Dims in_steps = strides(in);
    Dims steps[] = {in_steps, strides(values), strides(places)};
    sizes[d] = k ? 1 : 0;
    const std::ptrdiff_t value_step = steps[1][d];
    const std::ptrdiff_t place_step = steps[2][d];
    std::int64_t* const at = places.as<std::int64_t>();
    // Insertion sort of the k best indices so far; their values are read from the input again.
    const auto wins = [&](std::ptrdiff_t first, std::int64_t a, std::int64_t b) {
        if (is_float(in.dtype)) {
            ConstReals x = reals(in) + first;
            const Real left = x[a * in_steps[d]];
            const Real right = x[b * in_steps[d]];
            return largest ? beyond<true>(left, right) : beyond<false>(left, right);
        }
        std::int64_t left = 0;
        std::int64_t right = 0;
        load_lanes(in, first + static_cast<std::ptrdiff_t>(a) * in_steps[d], 1, 1, &left);
        load_lanes(in, first + static_cast<std::ptrdiff_t>(b) * in_steps[d], 1, 1, &right);
        return largest ? left > right : left < right;
    };
    for (Walk walk(sizes, steps); walk.run(); walk.next())
        for (std::int32_t i = 0; i < walk.run(); ++i) {
            const std::ptrdiff_t first = walk.at(0) + i * walk.step(0);
            std::int64_t* const best = at + walk.at(2) + i * walk.step(2);
            std::int64_t found = 0;
            for (std::int64_t candidate = 0; candidate < in.sizes[d]; ++candidate) {
                std::int64_t rank = found;
                while (rank > 0 && wins(first, candidate, best[(rank - 1) * place_step])) --rank;
                if (rank == k) continue;
                if (found < k) ++found;
                for (std::int64_t r = found - 1; r > rank; --r) best[r * place_step] = best[(r - 1) * place_step];
                best[rank * place_step] = candidate;
            }
            const std::size_t size = element_size(in.dtype);
            for (std::int64_t r = 0; r < k; ++r) {
                const std::ptrdiff_t to = walk.at(1) + i * walk.step(1) + static_cast<std::ptrdiff_t>(r) * value_step;
                const std::int64_t place = best[r * place_step];
                // If the two outputs overlap in memory, writing values has overwritten indices.
                if (place < 0 || place >= in.sizes[d]) return error(Code::out_of_bounds, "topk: results overlap");
                const std::ptrdiff_t from = first + static_cast<std::ptrdiff_t>(place) * in_steps[d];
                std::memcpy(values.data + static_cast<std::size_t>(to) * size,
                            in.data + static_cast<std::size_t>(from) * size, size);
            }
        }
    return {};
}

}  // namespace

ETB_KERNEL(amax, "aten::amax.out", over_dims<true>);
ETB_KERNEL(amin, "aten::amin.out", over_dims<false>);
ETB_KERNEL(max_of_all, "aten::max.unary_out", over_all<true>);
ETB_KERNEL(min_of_all, "aten::min.unary_out", over_all<false>);
ETB_KERNEL(max_dim, "aten::max.dim_max", with_places<true>);
ETB_KERNEL(min_dim, "aten::min.dim_min", with_places<false>);
ETB_KERNEL(argmax, "aten::argmax.out", place<true>);
ETB_KERNEL(argmin, "aten::argmin.out", place<false>);
ETB_KERNEL(any, "aten::any.out", any);
ETB_KERNEL(any_dims, "aten::any.dims_out", any);
ETB_KERNEL(any_of_all, "aten::any.all_out", any_of_all);
ETB_KERNEL(topk, "aten::topk.values", topk);

}  // namespace etb
