// ATen unary operators: out[i] = f(in[i]), any shape. The first groups map integers to integers (or bool); unary_float
// kernels convert integers to float. Tested by "unary" in test_pointwise.py, with zeros, ties, infinities, NaN and the
// least integer as inputs.
#include <cmath>

#include "kernels/pointwise.h"

namespace etb {
namespace {

struct Abs {
    Real operator()(Real x) const { return std::fabs(x); }
    std::int64_t operator()(std::int64_t x) const { return x < 0 ? minus(std::int64_t{0}, x) : x; }
};
struct Neg {
    Real operator()(Real x) const { return -x; }
    std::int64_t operator()(std::int64_t x) const { return minus(std::int64_t{0}, x); }
};
struct Sign {
    template <class T>
    T operator()(T x) const {
        return x == x ? static_cast<T>((x > 0) - (x < 0)) : x;
    }
};
struct Relu {
    template <class T>
    T operator()(T x) const {
        return x < 0 ? T{0} : x;
    }
};
struct LogicalNot {
    template <class T>
    bool operator()(T x) const {
        return x == 0;
    }
};
struct IsNan {
    template <class T>
    bool operator()(T x) const {
        return x != x;
    }
};
struct IsInf {
    bool operator()(Real x) const { return std::isinf(x); }
    bool operator()(std::int64_t) const { return false; }
};
// Rounding to whole numbers; integers are unchanged.
template <Real (*round)(Real)>
struct Whole {
    Real operator()(Real x) const { return round(x); }
    std::int64_t operator()(std::int64_t x) const { return x; }
};
template <Real (*function)(Real)>
struct Float {
    Real operator()(Real x) const { return function(x); }
};

Real ceil(Real x) { return std::ceil(x); }
Real floor(Real x) { return std::floor(x); }
Real round(Real x) { return std::nearbyint(x); }  // ties to even
Real trunc(Real x) { return std::trunc(x); }
Real acos(Real x) { return std::acos(x); }
Real acosh(Real x) { return std::acosh(x); }
Real asin(Real x) { return std::asin(x); }
Real asinh(Real x) { return std::asinh(x); }
Real atan(Real x) { return std::atan(x); }
Real atanh(Real x) { return std::atanh(x); }
Real cos(Real x) { return std::cos(x); }
Real cosh(Real x) { return std::cosh(x); }
Real erf(Real x) { return std::erf(x); }
Real exp(Real x) { return std::exp(x); }
Real expm1(Real x) { return std::expm1(x); }
Real log(Real x) { return std::log(x); }
Real log10(Real x) { return std::log10(x); }
Real log1p(Real x) { return std::log1p(x); }
Real log2(Real x) { return std::log2(x); }
Real reciprocal(Real x) { return 1.0f / x; }
Real rsqrt(Real x) { return 1.0f / std::sqrt(x); }
Real sigmoid(Real x) { return 1.0f / (1.0f + std::exp(-x)); }
Real sin(Real x) { return std::sin(x); }
Real sinh(Real x) { return std::sinh(x); }
Real sqrt(Real x) { return std::sqrt(x); }
Real tan(Real x) { return std::tan(x); }
Real tanh(Real x) { return std::tanh(x); }

}  // namespace

ETB_KERNEL(abs, "aten::abs.out", unary<Abs>);
ETB_KERNEL(neg, "aten::neg.out", unary<Neg>);
ETB_KERNEL(sign, "aten::sign.out", unary<Sign>);
ETB_KERNEL(relu, "aten::relu.out", unary<Relu>);
ETB_KERNEL(logical_not, "aten::logical_not.out", unary<LogicalNot>);
ETB_KERNEL(isnan, "aten::isnan.out", unary<IsNan>);
ETB_KERNEL(isinf, "aten::isinf.out", unary<IsInf>);

ETB_KERNEL(ceil, "aten::ceil.out", unary<Whole<ceil>>);
ETB_KERNEL(floor, "aten::floor.out", unary<Whole<floor>>);
ETB_KERNEL(round, "aten::round.out", unary<Whole<round>>);
ETB_KERNEL(trunc, "aten::trunc.out", unary<Whole<trunc>>);

ETB_KERNEL(acos, "aten::acos.out", unary_float<Float<acos>>);
ETB_KERNEL(acosh, "aten::acosh.out", unary_float<Float<acosh>>);
ETB_KERNEL(asin, "aten::asin.out", unary_float<Float<asin>>);
ETB_KERNEL(asinh, "aten::asinh.out", unary_float<Float<asinh>>);
ETB_KERNEL(atan, "aten::atan.out", unary_float<Float<atan>>);
ETB_KERNEL(atanh, "aten::atanh.out", unary_float<Float<atanh>>);
ETB_KERNEL(cos, "aten::cos.out", unary_float<Float<cos>>);
ETB_KERNEL(cosh, "aten::cosh.out", unary_float<Float<cosh>>);
ETB_KERNEL(erf, "aten::erf.out", unary_float<Float<erf>>);
ETB_KERNEL(exp, "aten::exp.out", unary_float<Float<exp>>);
ETB_KERNEL(expm1, "aten::expm1.out", unary_float<Float<expm1>>);
ETB_KERNEL(log, "aten::log.out", unary_float<Float<log>>);
ETB_KERNEL(log10, "aten::log10.out", unary_float<Float<log10>>);
ETB_KERNEL(log1p, "aten::log1p.out", unary_float<Float<log1p>>);
ETB_KERNEL(log2, "aten::log2.out", unary_float<Float<log2>>);
ETB_KERNEL(reciprocal, "aten::reciprocal.out", unary_float<Float<reciprocal>>);
ETB_KERNEL(rsqrt, "aten::rsqrt.out", unary_float<Float<rsqrt>>);
ETB_KERNEL(sigmoid, "aten::sigmoid.out", unary_float<Float<sigmoid>>);
ETB_KERNEL(sin, "aten::sin.out", unary_float<Float<sin>>);
ETB_KERNEL(sinh, "aten::sinh.out", unary_float<Float<sinh>>);
ETB_KERNEL(sqrt, "aten::sqrt.out", unary_float<Float<sqrt>>);
ETB_KERNEL(tan, "aten::tan.out", unary_float<Float<tan>>);
ETB_KERNEL(tanh, "aten::tanh.out", unary_float<Float<tanh>>);

}  // namespace etb
