// Element-wise arithmetic with broadcasting, of tensors or scalars: aten::add, sub, rsub, mul, minimum, maximum, pow.
// Integers wrap. Tested by "binary" in test_pointwise.py.
#include <cmath>

#include "kernels/pointwise.h"

namespace etb {
namespace {

struct Add {
    template <class T>
    T operator()(T a, T b, T alpha) const {
        return plus(a, times(alpha, b));
    }
};
struct Sub {
    template <class T>
    T operator()(T a, T b, T alpha) const {
        return minus(a, times(alpha, b));
    }
};
struct Rsub {
    template <class T>
    T operator()(T a, T b, T alpha) const {
        return minus(b, times(alpha, a));
    }
};
struct Mul {
    template <class T>
    T operator()(T a, T b) const {
        return times(a, b);
    }
};
// NaN if either operand is NaN.
struct Minimum {
    template <class T>
    T operator()(T a, T b) const {
        return a != a || a < b ? a : b;
    }
};
struct Maximum {
    template <class T>
    T operator()(T a, T b) const {
        return a != a || a > b ? a : b;
    }
};
// Integers: by squaring; a negative exponent gives 0 unless the base is 1 or -1.
struct Pow {
    Real operator()(Real a, Real b) const { return std::pow(a, b); }
    std::int64_t operator()(std::int64_t base, std::int64_t exponent) const {
        if (exponent < 0) return base == 1 ? 1 : base == -1 ? (exponent % 2 ? -1 : 1) : 0;
        std::int64_t power = 1;
        for (; exponent; exponent >>= 1, base = times(base, base))
            if (exponent & 1) power = times(power, base);
        return power;
    }
};

// add: a + alpha b, sub: a - alpha b, rsub: b - alpha a (a, b, alpha, out).
template <class F>
Status scaled(Args& args) {
    const Operand a(args, 0);
    const Operand b(args, 1);
    const Operand alpha(args, 2);
    const Operand* const all[] = {&a, &b, &alpha};
    return run_pointwise(args, {map3<Real, F>, map3<std::int64_t, F>}, all, args.out(3));
}

}  // namespace

ETB_KERNEL(add, "aten::add.out", scaled<Add>);
ETB_KERNEL(add_scalar, "aten::add.Scalar_out", scaled<Add>);
ETB_KERNEL(sub, "aten::sub.out", scaled<Sub>);
ETB_KERNEL(sub_scalar, "aten::sub.Scalar_out", scaled<Sub>);
ETB_KERNEL(rsub_scalar, "aten::rsub.Scalar_out", scaled<Rsub>);
ETB_KERNEL(mul, "aten::mul.out", binary<Mul>);
ETB_KERNEL(mul_scalar, "aten::mul.Scalar_out", binary<Mul>);
ETB_KERNEL(minimum, "aten::minimum.out", binary<Minimum>);
ETB_KERNEL(maximum, "aten::maximum.out", binary<Maximum>);
ETB_KERNEL(cortex_m_minimum, "cortex_m::minimum.out", binary<Minimum>);
ETB_KERNEL(cortex_m_maximum, "cortex_m::maximum.out", binary<Maximum>);
ETB_KERNEL(pow, "aten::pow.Tensor_Tensor_out", binary<Pow>);
ETB_KERNEL(pow_tensor_scalar, "aten::pow.Tensor_Scalar_out", binary<Pow>);
ETB_KERNEL(pow_scalar, "aten::pow.Scalar_out", binary<Pow>);

}  // namespace etb
