// aten::atan2, logit and glu: operators of floats, or of integers that are converted to float. Tested by "gate" in
// test_portable_pointwise.py.
#include <cmath>

#include "kernels/element.h"
#include "kernels/pointwise.h"
#include "kernels/view.h"

namespace etb {
namespace {

struct Atan2 {
    Real operator()(Real y, Real x) const { return std::atan2(y, x); }
};

// atan2(y, x, out), with broadcasting.
Status atan2(Args& args) {
    const Operand y(args, 0);
    const Operand x(args, 1);
    const Operand* const all[] = {&y, &x};
    return run_pointwise(args, {map2<Real, Atan2>, nullptr}, all, args.out(2));
}

struct Logit {
    Real operator()(Real x) const { return std::log(x / (1 - x)); }
};
struct LogitWithin {
    Real operator()(Real x, Real low, Real high) const { return Logit{}(x < low ? low : x > high ? high : x); }
};

// logit(self, eps or None, out): log(x / (1 - x)), with eps of x clamped to eps .. 1 - eps.
Status logit(Args& args) {
    const Operand x(args, 0);
    Tensor& out = args.out(2);
    if (args.is_null(1)) {
        const Operand* const all[] = {&x};
        return run_pointwise(args, {map1<Real, Logit>, nullptr}, all, out);
    }
    const double eps = args.number(1);
    const Operand low(eps);
    const Operand high(1 - eps);
    const Operand* const all[] = {&x, &low, &high};
    return run_pointwise(args, {map3<Real, LogitWithin>, nullptr}, all, out);
}

// glu(self, dim, out): a / (1 + exp(-b)), where a and b are the halves of self along dim.
Status glu(Args& args) {
    const Tensor& in = args.tensor(0);
    const int d = args.dimension(args.integer(1), in.rank);
    Tensor& out = args.out(2);
    args.demand(is_float(in.dtype) && is_float(out.dtype) && computes(in.dtype) && computes(out.dtype),
                "glu takes floats");
    args.demand(in.rank > 0 && in.sizes[d] % 2 == 0, "glu: dimension does not divide into halves");
    ETB_TRY(args.status);
    View a(in);
    View b(in);
    const std::int32_t half = in.sizes[d] / 2;
    a.narrow(d, 0, half);
    b.narrow(d, half, half);
    ETB_TRY(resize(out, a.sizes));
    const Dims steps[] = {strides(out), a.steps, b.steps};
    for (Walk walk(Dims(out), steps); walk.run(); walk.next())
        for (std::int32_t i = 0; i < walk.run(); ++i) {
            const Real x = load_one<Real>(in, walk.at(1) + i * walk.step(1));
            const Real gate = load_one<Real>(in, b.first + walk.at(2) + i * walk.step(2));
            store_one(out, walk.at(0) + i * walk.step(0), x * (1 / (1 + std::exp(-gate))));
        }
    return {};
}

}  // namespace

ETB_KERNEL(atan2, "aten::atan2.out", atan2);
ETB_KERNEL(logit, "aten::logit.out", logit);
ETB_KERNEL(glu, "aten::glu.out", glu);

}  // namespace etb
