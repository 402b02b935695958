// Iterates over several strided views of equal shape together, in runs along the innermost dimension.
#pragma once

#include "kernels/kernel.h"

namespace etb {

// Each view has its own strides, in elements; a stride may be 0 (broadcast) or negative. Dimensions over which every
// view is evenly strided are merged, so that runs are long.
class Walk {
public:
    static constexpr int most_views = 6;

    // sizes: outermost dimension first. strides: one Dims per view, of the same rank.
    Walk(const Dims& sizes, Span<const Dims> strides);

    // Number of elements in the current run; 0 after the last.
    [[nodiscard]] std::int32_t run() const { return run_; }
    // Offset of the run's first element in a view, and the stride within the run.
    [[nodiscard]] std::ptrdiff_t at(int view) const { return at_[view]; }
    [[nodiscard]] std::ptrdiff_t step(int view) const { return step_[view]; }
    void next();

private:
    int rank_ = 0;  // number of dimensions outside the run
    int views_ = 0;
    std::int32_t run_ = 1;
    std::int32_t size_[max_rank] = {};
    std::int32_t index_[max_rank] = {};
    std::ptrdiff_t stride_[most_views][max_rank] = {};
    std::ptrdiff_t at_[most_views] = {};
    std::ptrdiff_t step_[most_views] = {};
};

// The strides of `tensor` broadcast to the sizes `to`. If that is impossible, an error is recorded in args.
Dims broadcast_strides(Args& args, const Tensor& tensor, const Dims& to);

// The sizes of the broadcast of two shapes. If they do not match, an error is recorded in args.
Dims broadcast_sizes(Args& args, const Dims& a, const Dims& b);

}  // namespace etb
