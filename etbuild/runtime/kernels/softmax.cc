// aten::_softmax: out[i] = exp(x[i] - m) / sum, with m = max_j x[j] and sum = sum_j exp(x[j] - m), along one dimension;
// aten::_log_softmax: x[i] - m - log(sum). float32. Tested by "softmax" in test_normalisation.py.
#include <cmath>

#include "kernels/reals.h"
#include "kernels/walk.h"

namespace etb {
namespace {

// _softmax, _log_softmax (self, dim, half_to_float, out).
template <bool Logarithm>
Status softmax(Args& args) {
    const Tensor& in = args.tensor(0);
    const int d = args.dimension(args.integer(1), in.rank);
    Tensor& out = args.out(3);
    args.demand(is_real(in.dtype) && is_real(out.dtype), "softmax takes float32");
    ETB_TRY(args.status);
    ETB_TRY(resize(out, Dims(in)));
    Dims sizes(in);
    const Dims steps[] = {strides(out), strides(in)};
    const std::int32_t length = in.rank ? sizes[d] : 1;
    const std::ptrdiff_t to_step = in.rank ? steps[0][d] : 1;
    const std::ptrdiff_t from_step = in.rank ? steps[1][d] : 1;
    if (in.rank) sizes[d] = length ? 1 : 0;
    for (Walk walk(sizes, steps); walk.run(); walk.next())
        for (std::int32_t i = 0; i < walk.run(); ++i) {
            ConstReals x = reals(in) + walk.at(1) + i * walk.step(1);
            Reals y = reals(out) + walk.at(0) + i * walk.step(0);
            Real most = x[0];
            for (std::int32_t k = 1; k < length; ++k)
                if (x[k * from_step] > most) most = x[k * from_step];
            Real sum = 0;
            for (std::int32_t k = 0; k < length; ++k) {
                const Real power = std::exp(x[k * from_step] - most);
                sum += power;
                if (!Logarithm) y[k * to_step] = power;
            }
            const Real log_sum = Logarithm ? std::log(sum) : 0;
            for (std::int32_t k = 0; k < length; ++k)
                y[k * to_step] = Logarithm ? x[k * from_step] - most - log_sum : y[k * to_step] / sum;
        }
    return {};
}

}  // namespace

ETB_KERNEL(softmax, "aten::_softmax.out", softmax<false>);
ETB_KERNEL(log_softmax, "aten::_log_softmax.out", softmax<true>);

}  // namespace etb
