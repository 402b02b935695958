#include "kernels/layout.h"

namespace etb {

bool same_sizes(const Tensor& a, const Tensor& b) {
    if (a.rank != b.rank) return false;
    for (int d = 0; d < a.rank; ++d)
        if (a.sizes[d] != b.sizes[d]) return false;
    return true;
}

bool same_layout(const Tensor& a, const Tensor& b) {
    if (!same_sizes(a, b)) return false;
    const Dims steps_a = strides(a);
    const Dims steps_b = strides(b);
    for (int d = 0; d < a.rank; ++d)
        if (a.sizes[d] > 1 && steps_a[d] != steps_b[d]) return false;
    return true;
}

Axis axis_of(const Tensor& tensor, int dimension) {
    Axis axis;
    if (tensor.rank == 0) return axis;
    bool inside = false;
    for (int d = 0; d < tensor.rank; ++d) {
        const auto size = static_cast<std::size_t>(tensor.sizes[tensor.order[d]]);
        if (tensor.order[d] == dimension) {
            axis.length = size;
            inside = true;
        } else {
            (inside ? axis.inner : axis.outer) *= size;
        }
    }
    return axis;
}

}  // namespace etb
