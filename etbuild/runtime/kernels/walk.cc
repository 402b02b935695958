#include "kernels/walk.h"

namespace etb {

Walk::Walk(const Dims& sizes, Span<const Dims> strides) : views_(static_cast<int>(strides.size)) {
    for (int d = 0; d < sizes.rank; ++d)
        if (sizes[d] == 0) run_ = 0;
    for (int d = 0; d < sizes.rank && run_ != 0; ++d) {
        if (sizes[d] == 1) continue;
        // Merge with the next outer dimension if in every view its stride is size * stride of this one.
        bool even = rank_ > 0;
        for (int v = 0; v < views_ && even; ++v)
            even = stride_[v][rank_ - 1] == std::ptrdiff_t{strides[static_cast<std::size_t>(v)][d]} * sizes[d];
        if (!even) size_[rank_++] = 1;
        size_[rank_ - 1] *= sizes[d];
        for (int v = 0; v < views_; ++v) stride_[v][rank_ - 1] = strides[static_cast<std::size_t>(v)][d];
    }
    if (run_ == 0 || rank_ == 0) return;
    --rank_;
    run_ = size_[rank_];
    for (int v = 0; v < views_; ++v) step_[v] = stride_[v][rank_];
}

void Walk::next() {
    for (int d = rank_ - 1; d >= 0; --d) {
        for (int v = 0; v < views_; ++v) at_[v] += stride_[v][d];
        if (++index_[d] < size_[d]) return;
        for (int v = 0; v < views_; ++v) at_[v] -= stride_[v][d] * size_[d];
        index_[d] = 0;
    }
    run_ = 0;
}

Dims broadcast_strides(Args& args, const Tensor& tensor, const Dims& to) {
    const Dims own = strides(tensor);
    Dims steps;
    steps.rank = to.rank;
    const int missing = to.rank - tensor.rank;
    args.demand(missing >= 0, "tensor has more dimensions than the result");
    for (int d = 0; d < to.rank; ++d) {
        if (d < missing || !args.status.ok()) continue;
        const std::int32_t size = tensor.sizes[d - missing];
        args.demand(size == to[d] || size == 1, "tensor cannot be broadcast to the result, dimension",
                    static_cast<std::uint64_t>(d));
        if (size != 1) steps[d] = own[d - missing];
    }
    return steps;
}

Dims broadcast_sizes(Args& args, const Dims& a, const Dims& b) {
    const Dims& longer = a.rank >= b.rank ? a : b;
    const Dims& shorter = a.rank >= b.rank ? b : a;
    Dims sizes = longer;
    const int missing = longer.rank - shorter.rank;
    for (int d = 0; d < shorter.rank; ++d) {
        std::int32_t& size = sizes[d + missing];
        if (size == 1) {
            size = shorter[d];
        } else {
            args.demand(shorter[d] == size || shorter[d] == 1, "tensors cannot be broadcast together, dimension",
                        static_cast<std::uint64_t>(d + missing));
        }
    }
    return sizes;
}

}  // namespace etb
