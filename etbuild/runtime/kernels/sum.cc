// aten::sum, mean, prod, var and cumsum. Sums, means and variances of floats are accumulated in double precision, so
// that the order of additions hardly shows in the float32 result; prod and cumsum in float32. Integers wrap. Tested by
// "sum" in test_reduction.py.
#include <cmath>

#include "kernels/reduce.h"

namespace etb {
namespace {

struct FloatSum {
    static void begin(void* state) { *static_cast<double*>(state) = 0; }
    static void take(void* state, const Real* lanes, int count) {
        double& sum = *static_cast<double*>(state);
        for (int i = 0; i < count; ++i) sum += static_cast<double>(lanes[i]);
    }
    static Real sum(void* state, std::size_t) { return static_cast<Real>(*static_cast<double*>(state)); }
    static Real mean(void* state, std::size_t length) {
        return static_cast<Real>(*static_cast<double*>(state) / static_cast<double>(length));
    }
};

struct IntegerSum {
    static void begin(void* state) { *static_cast<std::uint64_t*>(state) = 0; }
    static void take(void* state, const std::int64_t* lanes, int count) {
        std::uint64_t& sum = *static_cast<std::uint64_t*>(state);
        for (int i = 0; i < count; ++i) sum += static_cast<std::uint64_t>(lanes[i]);
    }
    static std::int64_t sum(void* state, std::size_t) {
        return static_cast<std::int64_t>(*static_cast<std::uint64_t*>(state));
    }
};

struct FloatProduct {
    static void begin(void* state) { *static_cast<Real*>(state) = 1; }
    static void take(void* state, const Real* lanes, int count) {
        for (int i = 0; i < count; ++i) *static_cast<Real*>(state) *= lanes[i];
    }
    static Real end(void* state, std::size_t) { return *static_cast<Real*>(state); }
};

struct IntegerProduct {
    static void begin(void* state) { *static_cast<std::uint64_t*>(state) = 1; }
    static void take(void* state, const std::int64_t* lanes, int count) {
        for (int i = 0; i < count; ++i) *static_cast<std::uint64_t*>(state) *= static_cast<std::uint64_t>(lanes[i]);
    }
};

// Variance by Welford's algorithm: running mean, and sum of squared deviations from it. end: squares / (count -
// correction), where a divisor below 0 counts as 0.
struct Spread {
    double mean, squares, count, correction;

    static void begin(void* state) {
        auto& spread = *static_cast<Spread*>(state);
        spread.mean = spread.squares = spread.count = 0;
    }
    static void take(void* state, const Real* lanes, int count) {
        auto& spread = *static_cast<Spread*>(state);
        for (int i = 0; i < count; ++i) {
            const double distance = static_cast<double>(lanes[i]) - spread.mean;
            spread.count += 1;
            spread.mean += distance / spread.count;
            spread.squares += distance * (static_cast<double>(lanes[i]) - spread.mean);
        }
    }
    static Real end(void* state, std::size_t) {
        const auto& spread = *static_cast<Spread*>(state);
        const double divisor = spread.count - spread.correction;
        return static_cast<Real>(spread.squares / (divisor > 0 ? divisor : 0));
    }
};

// Folds as float if the input or the output is floating point, else as int64.
Status reduce(const Reduction& reduction, const Fold<Real>& floats, const Fold<std::int64_t>& integers) {
    if (is_float(reduction.in->dtype) || is_float(reduction.out->dtype)) {
        if (!is_float(reduction.out->dtype))
            return error(Code::mismatch, "result is floating point, its tensor is not");
        etb::fold(reduction, floats);
    } else {
        etb::fold(reduction, integers);
    }
    return {};
}

// sum.IntList(self, dims or None, keepdim, dtype, out).
Status sum(Args& args) {
    Reduction reduction;
    Tensor& out = args.out(4);
    ETB_TRY(Reduction::of(args, args.tensor(0), args.integers(1), args.boolean(2), out, reduction));
    double real;
    std::uint64_t whole;
    return reduce(reduction, {&real, FloatSum::begin, FloatSum::take, FloatSum::sum},
                  {&whole, IntegerSum::begin, IntegerSum::take, IntegerSum::sum});
}

Status mean_over(Args& args, const Dims& dims, bool keep, Tensor& out) {
    Reduction reduction;
    ETB_TRY(Reduction::of(args, args.tensor(0), dims, keep, out, reduction));
    double real;
    if (!is_float(out.dtype)) return error(Code::mismatch, "result is floating point, its tensor is not");
    fold<Real>(reduction, {&real, FloatSum::begin, FloatSum::take, FloatSum::mean});
    return {};
}

// mean(self, dims or None, keepdim, dtype, out).
Status mean(Args& args) { return mean_over(args, args.integers(1), args.boolean(2), args.out(4)); }

// mean(self, dtype, out): over all elements.
Status mean_of_all(Args& args) { return mean_over(args, {}, false, args.out(2)); }

Status product_over(Args& args, const Dims& dims, bool keep, Tensor& out) {
    Reduction reduction;
    ETB_TRY(Reduction::of(args, args.tensor(0), dims, keep, out, reduction));
    Real real;
    std::uint64_t whole;
    return reduce(reduction, {&real, FloatProduct::begin, FloatProduct::take, FloatProduct::end},
                  {&whole, IntegerProduct::begin, IntegerProduct::take, IntegerSum::sum});
}

// prod.int(self, dim, keepdim, dtype, out).
Status product(Args& args) { return product_over(args, args.integers(1), args.boolean(2), args.out(4)); }

// prod(self, dtype, out): over all elements.
Status product_of_all(Args& args) { return product_over(args, {}, false, args.out(2)); }

Status variance_over(Args& args, double correction, bool keep, Tensor& out) {
    Reduction reduction;
    ETB_TRY(Reduction::of(args, args.tensor(0), args.integers(1), keep, out, reduction));
    if (!is_float(args.tensor(0).dtype) || !is_float(out.dtype)) return error(Code::mismatch, "var takes floats");
    Spread spread{0, 0, 0, correction};
    fold<Real>(reduction, {&spread, Spread::begin, Spread::take, Spread::end});
    return {};
}

// var.correction(self, dims or None, correction (default 1), keepdim, out).
Status variance_corrected(Args& args) {
    return variance_over(args, args.number_or(2, 1), args.boolean(3), args.out(4));
}

// var(self, dims or None, unbiased, keepdim, out): correction 1 if unbiased, else 0.
Status variance(Args& args) { return variance_over(args, args.boolean(2) ? 1 : 0, args.boolean(3), args.out(4)); }

// cumsum(self, dim, dtype, out): out[i] = in[0] + ... + in[i] along the dimension, in float32 or int64.
Status cumsum(Args& args) {
    const Tensor& in = args.tensor(0);
    const int d = args.dimension(args.integer(1), in.rank);
    Tensor& out = args.out(3);
    args.demand(computes(in.dtype) && computes(out.dtype), "cumsum does not compute with this type");
    args.demand(is_float(out.dtype) || !is_float(in.dtype), "result is floating point, its tensor is not");
    ETB_TRY(args.status);
    ETB_TRY(resize(out, Dims(in)));
    Dims sizes(in);
    Dims steps[] = {strides(out), strides(in)};
    const std::int32_t length = in.rank ? sizes[d] : 1;
    const std::int32_t out_step = in.rank ? steps[0][d] : 1;
    const std::int32_t in_step = in.rank ? steps[1][d] : 1;
    if (in.rank) sizes[d] = length ? 1 : 0;
    for (Walk walk(sizes, steps); walk.run(); walk.next())
        for (std::int32_t i = 0; i < walk.run(); ++i) {
            Real real = 0;
            std::uint64_t whole = 0;
            for (std::int32_t k = 0; k < length; ++k) {
                const std::ptrdiff_t from = walk.at(1) + i * walk.step(1) + std::ptrdiff_t{k} * in_step;
                const std::ptrdiff_t to = walk.at(0) + i * walk.step(0) + std::ptrdiff_t{k} * out_step;
                if (is_float(out.dtype)) {
                    Real lane = 0;
                    load_lanes(in, from, 1, 1, &lane);
                    real += lane;
                    store_lanes(out, to, 1, 1, &real);
                } else {
                    std::int64_t lane = 0;
                    load_lanes(in, from, 1, 1, &lane);
                    whole += static_cast<std::uint64_t>(lane);
                    lane = static_cast<std::int64_t>(whole);
                    store_lanes(out, to, 1, 1, &lane);
                }
            }
        }
    return {};
}

}  // namespace

ETB_KERNEL(sum, "aten::sum.IntList_out", sum);
ETB_KERNEL(mean, "aten::mean.out", mean);
ETB_KERNEL(mean_of_all, "aten::mean.dtype_out", mean_of_all);
ETB_KERNEL(prod, "aten::prod.int_out", product);
ETB_KERNEL(prod_of_all, "aten::prod.out", product_of_all);
ETB_KERNEL(var_correction, "aten::var.correction_out", variance_corrected);
ETB_KERNEL(var, "aten::var.out", variance);
ETB_KERNEL(cumsum, "aten::cumsum.out", cumsum);

}  // namespace etb
