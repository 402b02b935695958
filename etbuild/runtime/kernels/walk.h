// Visits all elements of several strided views together, in runs along the innermost dimension.
#pragma once

#include "kernels/kernel.h"

namespace etb {

// Views share their sizes; each has its own strides, in elements, of which some may be 0 (broadcast) or negative.
class Walk {
public:
    static constexpr int most_views = 6;

    // sizes: outermost first. strides: one Dims for each view, of the same rank.
    Walk(const Dims& sizes, Span<const Dims> strides);

    // Elements of the run that starts at `at`; 0 when there is none left.
    [[nodiscard]] std::int32_t run() const { return run_; }
    // Offset of the run's first element in a view, and the step to the next.
    [[nodiscard]] std::ptrdiff_t at(int view) const { return at_[view]; }
    [[nodiscard]] std::ptrdiff_t step(int view) const { return step_[view]; }
    void next();

private:
    int rank_ = 0;  // of the dimensions outside the run
    int views_ = 0;
    std::int32_t run_ = 1;
    std::int32_t size_[max_rank] = {};
    std::int32_t index_[max_rank] = {};
    std::ptrdiff_t stride_[most_views][max_rank] = {};
    std::ptrdiff_t at_[most_views] = {};
    std::ptrdiff_t step_[most_views] = {};
};

// The strides of `tensor` as if it had the sizes of `to`, or a mistake in args when it cannot be broadcast to them.
Dims broadcast_strides(Args& args, const Tensor& tensor, const Dims& to);

// The sizes that tensors have when they are broadcast to each other.
Dims broadcast_sizes(Args& args, const Dims& a, const Dims& b);

}  // namespace etb
