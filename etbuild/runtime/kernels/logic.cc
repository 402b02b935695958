// Element-wise comparison, logical and bitwise operators with broadcasting, where and masked_fill (ATen). A comparison
// gives 0 or 1. Tested by "comparison" and "logic" in test_pointwise.py.
#include "kernels/pointwise.h"

namespace etb {
namespace {

#define ETB_RELATION(Name, relation)      \
    struct Name {                         \
        template <class T>                \
        bool operator()(T a, T b) const { \
            return relation;              \
        }                                 \
    }
ETB_RELATION(Eq, a == b);
ETB_RELATION(Ne, a != b);
ETB_RELATION(Lt, a < b);
ETB_RELATION(Le, a <= b);
ETB_RELATION(Gt, a > b);
ETB_RELATION(Ge, a >= b);
ETB_RELATION(LogicalAnd, a != 0 && b != 0);
ETB_RELATION(LogicalOr, a != 0 || b != 0);
ETB_RELATION(LogicalXor, (a != 0) != (b != 0));
#undef ETB_RELATION

// For integers and booleans. bitwise_not of a boolean is its logical negation (Not).
struct BitAnd {
    std::int64_t operator()(std::int64_t a, std::int64_t b) const { return a & b; }
};
struct BitOr {
    std::int64_t operator()(std::int64_t a, std::int64_t b) const { return a | b; }
};
struct BitXor {
    std::int64_t operator()(std::int64_t a, std::int64_t b) const { return a ^ b; }
};
struct BitNot {
    std::int64_t operator()(std::int64_t a) const { return ~a; }
};
struct Not {
    std::int64_t operator()(std::int64_t a) const { return a == 0; }
};

// bitwise_and, bitwise_or, bitwise_xor (a, b, out).
template <class F>
Status bits(Args& args) {
    const Operand a(args, 0);
    const Operand b(args, 1);
    args.demand(!a.floating() && !b.floating(), "bit operators take integers and booleans");
    const Operand* const all[] = {&a, &b};
    return run_pointwise(args, {nullptr, map2<std::int64_t, F>}, all, args.out(2));
}

// bitwise_not(in, out).
Status bit_not(Args& args) {
    const Operand a(args, 0);
    args.demand(!a.floating(), "bit operators take integers and booleans");
    const Operand* const all[] = {&a};
    const bool logical = a.tensor().dtype == DType::boolean;
    const RowStep<std::int64_t> step = logical ? map1<std::int64_t, Not> : map1<std::int64_t, BitNot>;
    return run_pointwise(args, {nullptr, step}, all, args.out(1));
}

struct Choose {
    template <class T>
    T operator()(T condition, T yes, T no) const {
        return condition != 0 ? yes : no;
    }
};

// where(condition, self, other, out): condition ? self : other.
Status where(Args& args) {
    const Operand condition(args, 0);
    const Operand yes(args, 1);
    const Operand no(args, 2);
    args.demand(!condition.floating(), "condition is not boolean");
    const Operand* const all[] = {&condition, &yes, &no};
    return run_pointwise(args, {map3<Real, Choose>, map3<std::int64_t, Choose>}, all, args.out(3));
}

// masked_fill(self, mask, value, out): mask ? value : self.
Status masked_fill(Args& args) {
    const Operand mask(args, 1);
    const Operand value(args, 2);
    const Operand self(args, 0);
    args.demand(!mask.floating(), "mask is not boolean");
    const Operand* const all[] = {&mask, &value, &self};
    return run_pointwise(args, {map3<Real, Choose>, map3<std::int64_t, Choose>}, all, args.out(3));
}

}  // namespace

ETB_KERNEL(eq, "aten::eq.Tensor_out", binary<Eq>);
ETB_KERNEL(eq_scalar, "aten::eq.Scalar_out", binary<Eq>);
ETB_KERNEL(ne, "aten::ne.Tensor_out", binary<Ne>);
ETB_KERNEL(ne_scalar, "aten::ne.Scalar_out", binary<Ne>);
ETB_KERNEL(lt, "aten::lt.Tensor_out", binary<Lt>);
ETB_KERNEL(lt_scalar, "aten::lt.Scalar_out", binary<Lt>);
ETB_KERNEL(le, "aten::le.Tensor_out", binary<Le>);
ETB_KERNEL(le_scalar, "aten::le.Scalar_out", binary<Le>);
ETB_KERNEL(gt, "aten::gt.Tensor_out", binary<Gt>);
ETB_KERNEL(gt_scalar, "aten::gt.Scalar_out", binary<Gt>);
ETB_KERNEL(ge, "aten::ge.Tensor_out", binary<Ge>);
ETB_KERNEL(ge_scalar, "aten::ge.Scalar_out", binary<Ge>);
ETB_KERNEL(logical_and, "aten::logical_and.out", binary<LogicalAnd>);
ETB_KERNEL(logical_or, "aten::logical_or.out", binary<LogicalOr>);
ETB_KERNEL(logical_xor, "aten::logical_xor.out", binary<LogicalXor>);
ETB_KERNEL(bitwise_and, "aten::bitwise_and.Tensor_out", bits<BitAnd>);
ETB_KERNEL(bitwise_and_scalar, "aten::bitwise_and.Scalar_out", bits<BitAnd>);
ETB_KERNEL(bitwise_or, "aten::bitwise_or.Tensor_out", bits<BitOr>);
ETB_KERNEL(bitwise_or_scalar, "aten::bitwise_or.Scalar_out", bits<BitOr>);
ETB_KERNEL(bitwise_xor, "aten::bitwise_xor.Tensor_out", bits<BitXor>);
ETB_KERNEL(bitwise_xor_scalar, "aten::bitwise_xor.Scalar_out", bits<BitXor>);
ETB_KERNEL(bitwise_not, "aten::bitwise_not.out", bit_not);
ETB_KERNEL(where, "aten::where.self_out", where);
ETB_KERNEL(masked_fill, "aten::masked_fill.Scalar_out", masked_fill);

}  // namespace etb
