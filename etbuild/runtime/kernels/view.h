// Strided views of tensors, and the one copy between them that every operator of data movement is made of.
#pragma once

#include "kernels/lanes.h"
#include "kernels/walk.h"

namespace etb {

// A part of a tensor's elements, in a new order.
struct View {
    const Tensor* tensor = nullptr;
    std::ptrdiff_t first = 0;  // in elements
    Dims sizes;
    Dims steps;  // of each dimension, in elements; 0 repeats, negative reverses

    View() = default;
    explicit View(const Tensor& all);

    // Elements start, start + step, ... of a dimension, `count` of them, all inside it.
    void narrow(int dimension, std::int32_t start, std::int32_t count, std::int32_t step = 1);
    void drop(int dimension);  // keeps its first element
    void insert(int dimension, std::int32_t size = 1);
    void reverse(int dimension);
    void swap(int a, int b);
};

// Element by element, converting between types. The sizes must be equal.
Status copy(const View& from, const View& to);

// in, then copied to out, which takes the view's sizes.
Status copy_to(Args& args, const View& from, Tensor& out);

}  // namespace etb
