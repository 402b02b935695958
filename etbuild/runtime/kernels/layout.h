// Comparing the shapes and memory orders (dim_order) of tensors.
#pragma once

#include "kernels/kernel.h"

namespace etb {

bool same_sizes(const Tensor& a, const Tensor& b);

// Whether both tensors have the same sizes and the same offset for every index. The position of a dimension of size 1
// in dim_order does not matter.
bool same_layout(const Tensor& a, const Tensor& b);

// A tensor's memory viewed as [outer, length, inner] around one dimension: count = outer * length * inner.
struct Axis {
    std::size_t outer = 1;
    std::size_t length = 1;
    std::size_t inner = 1;
};
Axis axis_of(const Tensor& tensor, int dimension);

}  // namespace etb
