// ATen activations with parameters: out[i] = f(in[i]; parameters), any shape. Tested by "activation" in
// test_pointwise.py.
#include <cmath>

#include "kernels/pointwise.h"

namespace etb {
namespace {

// min(max(x, low), high). NaN stays NaN, since comparisons with it are false.
struct Clamp {
    template <class T>
    T operator()(T x, T low, T high) const {
        const T raised = x < low ? low : x;
        return raised > high ? high : raised;
    }
};
struct Least {
    template <class T>
    T operator()(T x, T high) const {
        return x > high ? high : x;
    }
};
struct Most {
    template <class T>
    T operator()(T x, T low) const {
        return x < low ? low : x;
    }
};

// clamp(self, min or None, max or None, out), hardtanh(self, min, max, out). Bounds are scalars or tensors. Where
// min > max, out = max.
Status clamp(Args& args) {
    const Operand x(args, 0);
    Tensor& out = args.out(3);
    if (args.is_null(1)) {
        const Operand high(args, 2);
        const Operand* const all[] = {&x, &high};
        return run_pointwise(args, {map2<Real, Least>, map2<std::int64_t, Least>}, all, out);
    }
    const Operand low(args, 1);
    if (args.is_null(2)) {
        const Operand* const all[] = {&x, &low};
        return run_pointwise(args, {map2<Real, Most>, map2<std::int64_t, Most>}, all, out);
    }
    const Operand high(args, 2);
    const Operand* const all[] = {&x, &low, &high};
    return run_pointwise(args, {map3<Real, Clamp>, map3<std::int64_t, Clamp>}, all, out);
}

// leaky_relu(self, negative_slope, out): x > 0 ? x : x * negative_slope.
struct LeakyRelu {
    Real operator()(Real x, Real slope) const { return x > 0 ? x : x * slope; }
};
Status leaky_relu(Args& args) {
    const Operand x(args, 0);
    const Operand slope(args, 1);
    const Operand* const all[] = {&x, &slope};
    return run_pointwise(args, {map2<Real, LeakyRelu>, nullptr}, all, args.out(2));
}

// elu(self, alpha, scale, input_scale, out): x > 0 ? scale x : scale alpha (exp(input_scale x) - 1).
struct Elu {
    Real operator()(Real x, Real alpha, Real scale, Real input_scale) const {
        return x > 0 ? x * scale : std::expm1(x * input_scale) * (alpha * scale);
    }
};
Status elu(Args& args) {
    const Operand x(args, 0);
    const Operand alpha(args, 1);
    const Operand scale(args, 2);
    const Operand input_scale(args, 3);
    const Operand* const all[] = {&x, &alpha, &scale, &input_scale};
    return run_pointwise(args, {map4<Real, Elu>, nullptr}, all, args.out(4));
}

// gelu(self, approximate, out). "none": x (1 + erf(x / sqrt(2))) / 2.
// "tanh": x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2.
struct Gelu {
    Real operator()(Real x) const {
        return x * 0.5f * (1.0f + std::erf(x * static_cast<Real>(0.70710678118654752440)));
    }
};
struct GeluTanh {
    Real operator()(Real x) const {
        const Real inner = static_cast<Real>(0.79788456080286535588) * (x + static_cast<Real>(0.044715) * x * x * x);
        return 0.5f * x * (1.0f + std::tanh(inner));
    }
};
Status gelu(Args& args) {
    const Operand x(args, 0);
    const Bytes name = args.string(1);
    const bool by_tanh = name.size == 4 && std::memcmp(name.data, "tanh", 4) == 0;
    const Operand* const all[] = {&x};
    return run_pointwise(args, {by_tanh ? map1<Real, GeluTanh> : map1<Real, Gelu>, nullptr}, all, args.out(2));
}

// hardswish(self, out): x min(max(x + 3, 0), 6) / 6.
struct Hardswish {
    Real operator()(Real x) const {
        const Real shifted = x + 3.0f;
        return x * (shifted < 0 ? 0.0f : shifted > 6 ? 6.0f : shifted) / 6.0f;
    }
};

}  // namespace

ETB_KERNEL(clamp, "aten::clamp.out", clamp);
ETB_KERNEL(clamp_tensor, "aten::clamp.Tensor_out", clamp);
ETB_KERNEL(hardtanh, "aten::hardtanh.out", clamp);
ETB_KERNEL(leaky_relu, "aten::leaky_relu.out", leaky_relu);
ETB_KERNEL(elu, "aten::elu.out", elu);
ETB_KERNEL(gelu, "aten::gelu.out", gelu);
ETB_KERNEL(hardswish, "aten::hardswish.out", unary_float<Hardswish>);

}  // namespace etb
