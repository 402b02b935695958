// Shapes and memory orders of tensors, as kernels compare and make them.
#pragma once

#include "kernels/kernel.h"

namespace etb {

bool same_sizes(const Tensor& a, const Tensor& b);

// Do equal indices lie at equal places in memory? Sizes must be equal; dimensions of size 1 may stand anywhere.
bool same_layout(const Tensor& a, const Tensor& b);

// A dimension as memory sees it: count = outer * length * inner.
struct Axis {
    std::size_t outer = 1;
    std::size_t length = 1;
    std::size_t inner = 1;
};
Axis axis_of(const Tensor& tensor, int dimension);

}  // namespace etb
