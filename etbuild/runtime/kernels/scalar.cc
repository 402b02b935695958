// Scalar operators of programs with dynamic shapes: sizes of tensors, and executorch_prim arithmetic on them. The
// result is stored in the output value. Tested by "dynamic" in test_movement.py.
#include <cmath>

#include "kernels/lanes.h"

namespace etb {
namespace {

bool floating(Args& args, std::size_t i) { return args.is_float(i); }

// F(a, b, out): an integer if both are integers, else a double.
template <class F>
Status arithmetic(Args& args) {
    Value& out = args.value(2);
    if (floating(args, 0) || floating(args, 1)) {
        out = Value::of(static_cast<double>(F{}(args.number(0), args.number(1))));
    } else {
        out = Value::of(static_cast<std::int64_t>(F{}(args.integer(0), args.integer(1))));
    }
    return args.status;
}

// F(a, b, out): a boolean.
template <class F>
Status relation(Args& args) {
    const bool real = floating(args, 0) || floating(args, 1);
    const bool yes = real ? F{}(args.number(0), args.number(1)) : F{}(args.integer(0), args.integer(1));
    args.value(2) = Value::of(yes);
    return args.status;
}

#define ETB_FUNCTION(Name, expression)    \
    struct Name {                         \
        template <class T>                \
        auto operator()(T a, T b) const { \
            return expression;            \
        }                                 \
    }
ETB_FUNCTION(Add, plus(a, b));
ETB_FUNCTION(Sub, minus(a, b));
ETB_FUNCTION(Mul, times(a, b));
ETB_FUNCTION(Least, b < a ? b : a);
ETB_FUNCTION(Most, b > a ? b : a);
ETB_FUNCTION(Eq, a == b);
ETB_FUNCTION(Lt, a < b);
ETB_FUNCTION(Le, a <= b);
ETB_FUNCTION(Gt, a > b);
ETB_FUNCTION(Ge, a >= b);
#undef ETB_FUNCTION

// floordiv(a, b, out): integers, rounded toward minus infinity.
Status floordiv(Args& args) {
    const std::int64_t a = args.integer(0);
    const std::int64_t b = args.integer(1);
    args.demand(b != 0, "integer division by zero");
    ETB_TRY(args.status);
    const std::int64_t whole = b == -1 ? minus(std::int64_t{0}, a) : a / b;
    args.value(2) = Value::of(times(whole, b) != a && (a < 0) != (b < 0) ? whole - 1 : whole);
    return args.status;
}

// mod(a, b, out): integers; the remainder has the sign of b.
Status mod(Args& args) {
    const std::int64_t a = args.integer(0);
    const std::int64_t b = args.integer(1);
    args.demand(b != 0, "integer division by zero");
    ETB_TRY(args.status);
    const std::int64_t rest = b == -1 ? 0 : a % b;
    args.value(2) = Value::of(rest != 0 && (b < 0) != (rest < 0) ? rest + b : rest);
    return args.status;
}

Status truediv(Args& args) {
    args.value(2) = Value::of(args.number(0) / args.number(1));
    return args.status;
}

Status negate(Args& args) {
    args.value(1) = floating(args, 0) ? Value::of(-args.number(0)) : Value::of(minus(std::int64_t{0}, args.integer(0)));
    return args.status;
}

Status negate_logic(Args& args) {
    args.value(1) = Value::of(!args.boolean(0));
    return args.status;
}

Status to_real(Args& args) {
    args.value(1) = Value::of(args.number(0));
    return args.status;
}

// sym_int, trunc, ceil, round (in, out): an integer, rounded by the given C function.
template <double (*round)(double)>
Status to_whole(Args& args) {
    const double x = round(args.number(0));
    args.demand(x >= -9.2e18 && x <= 9.2e18, "number has no integer");
    ETB_TRY(args.status);
    args.value(1) = Value::of(static_cast<std::int64_t>(x));
    return args.status;
}

// sym_ite(condition, a, b, out): condition ? a : b.
Status choose(Args& args) {
    args.value(3) = args.boolean(0) ? args.value(1) : args.value(2);
    return args.status;
}

// sym_size(self, dim, out).
Status size(Args& args) {
    const Tensor& in = args.tensor(0);
    const int d = args.dimension(args.integer(1), in.rank);
    args.demand(in.rank > 0, "size of a scalar");
    ETB_TRY(args.status);
    args.value(2) = Value::of(std::int64_t{in.sizes[d]});
    return {};
}

// sym_numel(self, out): the number of elements.
Status count(Args& args) {
    args.value(1) = Value::of(static_cast<std::int64_t>(args.tensor(0).count()));
    return args.status;
}

// _local_scalar_dense(self, out): the value of a tensor with one element.
Status item(Args& args) {
    const Tensor& in = args.tensor(0);
    args.demand(in.count() == 1 && computes(in.dtype), "not a tensor of one number");
    ETB_TRY(args.status);
    Real real = 0;
    std::int64_t whole = 0;
    if (is_float(in.dtype)) {
        load_lanes(in, 0, 1, 1, &real);
        args.value(1) = Value::of(static_cast<double>(real));
    } else {
        load_lanes(in, 0, 1, 1, &whole);
        args.value(1) = in.dtype == DType::boolean ? Value::of(whole != 0) : Value::of(whole);
    }
    return args.status;
}

}  // namespace

ETB_KERNEL(prim_add, "executorch_prim::add.Scalar", arithmetic<Add>);
ETB_KERNEL(prim_sub, "executorch_prim::sub.Scalar", arithmetic<Sub>);
ETB_KERNEL(prim_mul, "executorch_prim::mul.Scalar", arithmetic<Mul>);
ETB_KERNEL(prim_min, "executorch_prim::sym_min.Scalar", arithmetic<Least>);
ETB_KERNEL(prim_max, "executorch_prim::sym_max.Scalar", arithmetic<Most>);
ETB_KERNEL(prim_eq, "executorch_prim::eq.Scalar", relation<Eq>);
ETB_KERNEL(prim_lt, "executorch_prim::lt.Scalar", relation<Lt>);
ETB_KERNEL(prim_le, "executorch_prim::le.Scalar", relation<Le>);
ETB_KERNEL(prim_gt, "executorch_prim::gt.Scalar", relation<Gt>);
ETB_KERNEL(prim_ge, "executorch_prim::ge.Scalar", relation<Ge>);
ETB_KERNEL(prim_floordiv, "executorch_prim::floordiv.Scalar", floordiv);
ETB_KERNEL(prim_floordiv_int, "executorch_prim::floordiv.int", floordiv);
ETB_KERNEL(prim_mod, "executorch_prim::mod.Scalar", mod);
ETB_KERNEL(prim_mod_int, "executorch_prim::mod.int", mod);
ETB_KERNEL(prim_truediv, "executorch_prim::truediv.Scalar", truediv);
ETB_KERNEL(prim_neg, "executorch_prim::neg.Scalar", negate);
ETB_KERNEL(prim_not, "executorch_prim::sym_not.Scalar", negate_logic);
ETB_KERNEL(prim_float, "executorch_prim::sym_float.Scalar", to_real);
ETB_KERNEL(prim_int, "executorch_prim::sym_int.Scalar", to_whole<std::trunc>);
ETB_KERNEL(prim_trunc, "executorch_prim::trunc.Scalar", to_whole<std::trunc>);
ETB_KERNEL(prim_ceil, "executorch_prim::ceil.Scalar", to_whole<std::ceil>);
ETB_KERNEL(prim_round, "executorch_prim::round.Scalar", to_whole<std::nearbyint>);
ETB_KERNEL(prim_ite, "executorch_prim::sym_ite.Scalar", choose);
ETB_KERNEL(sym_size, "aten::sym_size.int", size);
ETB_KERNEL(sym_numel, "aten::sym_numel", count);
ETB_KERNEL(item, "aten::_local_scalar_dense", item);

}  // namespace etb
