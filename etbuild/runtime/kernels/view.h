// Strided views of tensors, and the copy between views by which the data movement operators are implemented.
#pragma once

#include "kernels/lanes.h"
#include "kernels/walk.h"

namespace etb {

// A strided selection of a tensor's elements.
struct View {
    const Tensor* tensor = nullptr;
    std::ptrdiff_t first = 0;  // in elements
    Dims sizes;
    Dims steps;  // strides, in elements; 0 repeats, negative reverses

    View() = default;
    explicit View(const Tensor& all);

    // Restrict a dimension to `count` elements: start, start + step, ... The caller checks that they exist.
    void narrow(int dimension, std::int32_t start, std::int32_t count, std::int32_t step = 1);
    void drop(int dimension);                           // removes the dimension, at its first element
    void insert(int dimension, std::int32_t size = 1);  // a new dimension with stride 0
    void reverse(int dimension);
    void swap(int a, int b);
};

// Copy all elements, converting between types. mismatch: the sizes differ.
Status copy(const View& from, const View& to);

// Resize `out` to the view's sizes and copy the view to it. Returns args.status if it holds an error.
Status copy_to(Args& args, const View& from, Tensor& out);

}  // namespace etb
