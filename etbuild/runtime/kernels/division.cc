// Element-wise division and remainder with broadcasting: aten::div, floor_divide, fmod, remainder. An integer division
// by zero is an error; the output is then not written. Tested by "division" in test_pointwise.py.
#include <cmath>

#include "kernels/pointwise.h"

namespace etb {
namespace {

struct Div {
    Real operator()(Real a, Real b) const { return a / b; }
};
// a / b toward zero. INT64_MIN / -1 wraps instead of overflowing.
std::int64_t quotient(std::int64_t a, std::int64_t b) { return b == -1 ? minus(std::int64_t{0}, a) : a / b; }

struct DivTrunc {
    Real operator()(Real a, Real b) const { return std::trunc(a / b); }
    std::int64_t operator()(std::int64_t a, std::int64_t b) const { return quotient(a, b); }
};
// a / b toward minus infinity, as c10::div_floor_floating: it starts from the exact remainder, since a / b may already
// be rounded up to a whole number.
struct DivFloor {
    Real operator()(Real a, Real b) const {
        if (b == 0) return a / b;
        const Real rest = std::fmod(a, b);
        Real whole = (a - rest) / b;
        if (rest != 0 && (b < 0) != (rest < 0)) whole -= 1.0f;
        if (whole == 0) return std::copysign(0.0f, a / b);
        const Real down = std::floor(whole);
        return whole - down > 0.5f ? down + 1.0f : down;
    }
    std::int64_t operator()(std::int64_t a, std::int64_t b) const {
        const std::int64_t whole = quotient(a, b);
        return times(whole, b) != a && (a < 0) != (b < 0) ? whole - 1 : whole;
    }
};
// a - b * trunc(a / b), with the sign of a; Remainder has the sign of b.
struct Fmod {
    Real operator()(Real a, Real b) const { return std::fmod(a, b); }
    std::int64_t operator()(std::int64_t a, std::int64_t b) const { return b == -1 ? 0 : a % b; }
};
struct Remainder {
    Real operator()(Real a, Real b) const {
        const Real rest = std::fmod(a, b);
        return rest != 0 && (b < 0) != (rest < 0) ? rest + b : rest;
    }
    std::int64_t operator()(std::int64_t a, std::int64_t b) const {
        const std::int64_t rest = b == -1 ? 0 : a % b;
        return rest != 0 && (b < 0) != (rest < 0) ? rest + b : rest;
    }
};

// Whether any element of an integer tensor is 0.
bool has_zero(const Tensor& tensor) {
    const auto count = static_cast<std::ptrdiff_t>(tensor.count());
    std::int64_t lanes[most_lanes];
    for (std::ptrdiff_t at = 0; at < count; at += most_lanes) {
        const int some = static_cast<int>(count - at < most_lanes ? count - at : most_lanes);
        load_lanes(tensor, at, 1, some, lanes);
        for (int i = 0; i < some; ++i)
            if (lanes[i] == 0) return true;
    }
    return false;
}

template <class F>
Status divide(Args& args, const Operand& a, const Operand& b, Tensor& out) {
    ETB_TRY(args.status);
    if (!a.floating() && !b.floating() && has_zero(b.tensor()))
        return error(Code::mismatch, "integer division by zero");
    const Operand* const all[] = {&a, &b};
    return run_pointwise(args, {map2<Real, F>, map2<std::int64_t, F>}, all, out);
}

// floor_divide, fmod, remainder (a, b, out).
template <class F>
Status whole(Args& args) {
    const Operand a(args, 0);
    const Operand b(args, 1);
    return divide<F>(args, a, b, args.out(2));
}

// div(a, b, out): a / b, computed in floating point for integers too.
Status div(Args& args) {
    const Operand a(args, 0);
    const Operand b(args, 1);
    const Operand* const all[] = {&a, &b};
    return run_pointwise(args, {map2<Real, Div>, nullptr}, all, args.out(2));
}

// div(a, b, rounding_mode, out). rounding_mode: None: as above; "trunc": toward zero; "floor": toward minus infinity.
Status div_mode(Args& args) {
    const Operand a(args, 0);
    const Operand b(args, 1);
    Tensor& out = args.out(3);
    if (args.is_null(2)) {
        const Operand* const all[] = {&a, &b};
        return run_pointwise(args, {map2<Real, Div>, nullptr}, all, out);
    }
    const Bytes mode = args.string(2);
    const bool trunc = mode.size == 5 && std::memcmp(mode.data, "trunc", 5) == 0;
    const bool floor = mode.size == 5 && std::memcmp(mode.data, "floor", 5) == 0;
    args.demand(trunc || floor, "unknown rounding mode of a division");
    return trunc ? divide<DivTrunc>(args, a, b, out) : divide<DivFloor>(args, a, b, out);
}

}  // namespace

ETB_KERNEL(div, "aten::div.out", div);
ETB_KERNEL(div_scalar, "aten::div.Scalar_out", div);
ETB_KERNEL(div_mode, "aten::div.out_mode", div_mode);
ETB_KERNEL(div_scalar_mode, "aten::div.Scalar_mode_out", div_mode);
ETB_KERNEL(floor_divide, "aten::floor_divide.out", whole<DivFloor>);
ETB_KERNEL(fmod, "aten::fmod.Tensor_out", whole<Fmod>);
ETB_KERNEL(fmod_scalar, "aten::fmod.Scalar_out", whole<Fmod>);
ETB_KERNEL(remainder, "aten::remainder.Tensor_out", whole<Remainder>);
ETB_KERNEL(remainder_scalar, "aten::remainder.Scalar_out", whole<Remainder>);

}  // namespace etb
