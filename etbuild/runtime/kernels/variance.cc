// aten::var_mean: variance and mean of the reduced dimensions, in double precision. Tested by "var_mean" in
// test_portable_numeric.py.
#include <cmath>

#include "kernels/reduce.h"

namespace etb {
namespace {

// Welford's algorithm: the mean so far, and the sum of squared distances from it.
struct Moments {
    double mean, squares, count, correction;

    static void begin(void* state) {
        auto& moments = *static_cast<Moments*>(state);
        moments.mean = moments.squares = moments.count = 0;
    }
    static void take(void* state, const Real* lanes, int count) {
        auto& moments = *static_cast<Moments*>(state);
        for (int i = 0; i < count; ++i) {
            const double distance = static_cast<double>(lanes[i]) - moments.mean;
            moments.count += 1;
            moments.mean += distance / moments.count;
            moments.squares += distance * (static_cast<double>(lanes[i]) - moments.mean);
        }
    }
    // squares / (count - correction), where a divisor below 0 counts as 0, as in PyTorch.
    static Real variance(void* state, std::size_t) {
        const auto& moments = *static_cast<Moments*>(state);
        const double divisor = moments.count - moments.correction;
        return static_cast<Real>(moments.squares / (divisor > 0 ? divisor : 0));
    }
    static Real average(void* state, std::size_t length) {
        return length ? static_cast<Real>(static_cast<Moments*>(state)->mean) : static_cast<Real>(NAN);
    }
};

// var_mean.correction(self, dims or None, correction (default 1), keepdim, variances, means).
Status var_mean(Args& args) {
    const Tensor& in = args.tensor(0);
    const Dims dims = args.integers(1);
    Moments moments{0, 0, 0, args.number_or(2, 1)};
    const bool keep = args.boolean(3);
    Tensor& variances = args.out(4);
    Tensor& means = args.out(5);
    args.demand(is_real(in.dtype) && is_real(variances.dtype) && is_real(means.dtype), "var_mean takes floats");
    args.demand(&variances != &in && &means != &in, "var_mean: a result is its own input");
    Reduction reduction;
    ETB_TRY(Reduction::of(args, in, dims, keep, variances, reduction));
    fold<Real>(reduction, {&moments, Moments::begin, Moments::take, Moments::variance});
    ETB_TRY(Reduction::of(args, in, dims, keep, means, reduction));
    fold<Real>(reduction, {&moments, Moments::begin, Moments::take, Moments::average});
    return {};
}

}  // namespace

ETB_KERNEL(var_mean, "aten::var_mean.correction_out", var_mean);

}  // namespace etb
