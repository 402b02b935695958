// Element-wise operators with broadcasting: operands are loaded in short rows of lanes (lanes.h), computed as float or
// int64, and stored. An operand is a tensor, broadcast to the result, or a scalar.
#pragma once

#include "kernels/lanes.h"
#include "kernels/walk.h"

namespace etb {

// A tensor argument, or a scalar argument as a tensor without dimensions.
class Operand {
public:
    Operand(Args& args, std::size_t i);
    explicit Operand(double number);

    Operand(const Operand&) = delete;
    Operand& operator=(const Operand&) = delete;

    [[nodiscard]] const Tensor& tensor() const { return tensor_; }
    [[nodiscard]] bool floating() const { return is_float(tensor_.dtype); }

private:
    Tensor tensor_;
    union {
        std::int64_t integer_ = 0;
        double real_;
    };

    void read(Args& args, std::size_t i);
    void hold(double number);
};

using Operands = Span<const Operand* const>;

// The computation on one row: a is the first operand and is overwritten with the result; b, c, d are the other
// operands.
template <class T>
using RowStep = void (*)(T* a, const T* b, const T* c, const T* d, int count);

// The row functions of an operator. on_floats is used when any operand is floating point, else on_integers.
struct Pointwise {
    RowStep<Real> on_floats;
    RowStep<std::int64_t> on_integers;  // null: integers are converted to float
};

// Broadcasts the operands, resizes `out` and computes it. A floating-point result is stored in a float or bool tensor
// only; anything else is a mismatch.
Status run_pointwise(Args& args, const Pointwise& work, Operands operands, Tensor& out);

// A row function from the function object F on single elements: a[i] = F(a[i], b[i], ...).
template <class T, class F>
void map1(T* a, const T*, const T*, const T*, int count) {
    for (int i = 0; i < count; ++i) a[i] = static_cast<T>(F{}(a[i]));
}
template <class T, class F>
void map2(T* a, const T* b, const T*, const T*, int count) {
    for (int i = 0; i < count; ++i) a[i] = static_cast<T>(F{}(a[i], b[i]));
}
template <class T, class F>
void map3(T* a, const T* b, const T* c, const T*, int count) {
    for (int i = 0; i < count; ++i) a[i] = static_cast<T>(F{}(a[i], b[i], c[i]));
}
template <class T, class F>
void map4(T* a, const T* b, const T* c, const T* d, int count) {
    for (int i = 0; i < count; ++i) a[i] = static_cast<T>(F{}(a[i], b[i], c[i], d[i]));
}

// Whole kernels with arguments (in, out) and (a, b, out). unary_float converts integers to float.
template <class F>
Status unary(Args& args) {
    const Operand in(args, 0);
    const Operand* const all[] = {&in};
    return run_pointwise(args, {map1<Real, F>, map1<std::int64_t, F>}, all, args.out(1));
}
template <class F>
Status unary_float(Args& args) {
    const Operand in(args, 0);
    const Operand* const all[] = {&in};
    return run_pointwise(args, {map1<Real, F>, nullptr}, all, args.out(1));
}
template <class F>
Status binary(Args& args) {
    const Operand a(args, 0);
    const Operand b(args, 1);
    const Operand* const all[] = {&a, &b};
    return run_pointwise(args, {map2<Real, F>, map2<std::int64_t, F>}, all, args.out(2));
}

}  // namespace etb
