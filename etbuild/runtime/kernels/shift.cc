// aten::bitwise_left_shift and bitwise_right_shift with broadcasting, of integers and booleans, in the type of the
// result. As in PyTorch a shift by less than 0, or by the number of bits or more, moves all bits out: to the left gives
// 0, to the right 0 or -1. Tested by "shift" in test_portable_pointwise.py.
#include "kernels/pointwise.h"

namespace etb {
namespace {

template <int Bits>
struct Left {
    std::int64_t operator()(std::int64_t a, std::int64_t b) const {
        return b < 0 || b >= Bits ? 0 : static_cast<std::int64_t>(static_cast<std::uint64_t>(a) << b);
    }
};
template <int Bits>
struct Right {
    std::int64_t operator()(std::int64_t a, std::int64_t b) const {
        return b < 0 || b >= Bits ? (a < 0 ? -1 : 0) : a >> b;
    }
};

// shift(a, b, out). b: a tensor or an integer.
template <template <int> class Shift>
Status shift(Args& args) {
    const Operand a(args, 0);
    const Operand b(args, 1);
    Tensor& out = args.out(2);
    args.demand(!a.floating() && !b.floating(), "bit operators take integers and booleans");
    const Operand* const all[] = {&a, &b};
    switch (element_size(out.dtype)) {
        case 1:
            return run_pointwise(args, {nullptr, map2<std::int64_t, Shift<8>>}, all, out);
        case 2:
            return run_pointwise(args, {nullptr, map2<std::int64_t, Shift<16>>}, all, out);
        case 4:
            return run_pointwise(args, {nullptr, map2<std::int64_t, Shift<32>>}, all, out);
        default:
            return run_pointwise(args, {nullptr, map2<std::int64_t, Shift<64>>}, all, out);
    }
}

}  // namespace

ETB_KERNEL(shift_left, "aten::bitwise_left_shift.Tensor_out", shift<Left>);
ETB_KERNEL(shift_left_scalar, "aten::bitwise_left_shift.Tensor_Scalar_out", shift<Left>);
ETB_KERNEL(shift_right, "aten::bitwise_right_shift.Tensor_out", shift<Right>);
ETB_KERNEL(shift_right_scalar, "aten::bitwise_right_shift.Tensor_Scalar_out", shift<Right>);

}  // namespace etb
