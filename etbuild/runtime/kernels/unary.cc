// ATen unary operators: out[i] = f(in[i]), any shape. The first groups map integers to integers (or bool); unary_float
// kernels convert integers to float. Tested by "unary" in test_pointwise.py, with zeros, ties, infinities, NaN and the
// least integer as inputs.
#include <cmath>

#include "kernels/pointwise.h"

namespace etb {
namespace {

struct Abs {
    float operator()(float x) const { return std::fabs(x); }
    std::int64_t operator()(std::int64_t x) const { return x < 0 ? minus(std::int64_t{0}, x) : x; }
};
struct Neg {
    float operator()(float x) const { return -x; }
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
    bool operator()(float x) const { return std::isinf(x); }
    bool operator()(std::int64_t) const { return false; }
};
// Rounding to whole numbers; integers are unchanged.
template <float (*round)(float)>
struct Whole {
    float operator()(float x) const { return round(x); }
    std::int64_t operator()(std::int64_t x) const { return x; }
};
template <float (*function)(float)>
struct Float {
    float operator()(float x) const { return function(x); }
};

float ceil(float x) { return std::ceil(x); }
float floor(float x) { return std::floor(x); }
float round(float x) { return std::nearbyint(x); }  // ties to even
float trunc(float x) { return std::trunc(x); }
float acos(float x) { return std::acos(x); }
float acosh(float x) { return std::acosh(x); }
float asin(float x) { return std::asin(x); }
float asinh(float x) { return std::asinh(x); }
float atan(float x) { return std::atan(x); }
float atanh(float x) { return std::atanh(x); }
float cos(float x) { return std::cos(x); }
float cosh(float x) { return std::cosh(x); }
float erf(float x) { return std::erf(x); }
float exp(float x) { return std::exp(x); }
float expm1(float x) { return std::expm1(x); }
float log(float x) { return std::log(x); }
float log10(float x) { return std::log10(x); }
float log1p(float x) { return std::log1p(x); }
float log2(float x) { return std::log2(x); }
float reciprocal(float x) { return 1.0f / x; }
float rsqrt(float x) { return 1.0f / std::sqrt(x); }
float sigmoid(float x) { return 1.0f / (1.0f + std::exp(-x)); }
float sin(float x) { return std::sin(x); }
float sinh(float x) { return std::sinh(x); }
float sqrt(float x) { return std::sqrt(x); }
float tan(float x) { return std::tan(x); }
float tanh(float x) { return std::tanh(x); }

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
