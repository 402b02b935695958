// Feature maps of the cortex_m operators, [N, C, H, W] in any memory order or, "_nhwc", [N, H, W, C]; and the windows
// that convolutions and pools move over them.
#pragma once

#include "kernels/kernel.h"

namespace etb {

// One spatial dimension of a feature map. step: in elements.
struct Side {
    std::int32_t size = 0;
    std::ptrdiff_t step = 0;
};

// A tensor of rank 4 by the meaning of its dimensions. steps: in elements.
struct FeatureMap {
    std::int32_t batches = 0;
    std::int32_t channels = 0;
    Side sides[2];  // rows, columns
    std::ptrdiff_t batch_step = 0;
    std::ptrdiff_t channel_step = 0;

    // nhwc: the tensor's dimensions are N, H, W, C.
    FeatureMap(const Tensor& tensor, bool nhwc);
};

// Where a window lies along one side of the input.
struct Window {
    std::int32_t kernel = 1;
    std::int32_t stride = 1;
    std::int32_t pad = 0;
    std::int32_t dilation = 1;
    std::int32_t in = 1;
    std::int32_t out = 1;

    // The input position of tap 0 for output o; negative in the padding.
    [[nodiscard]] std::int64_t start(std::int32_t o) const { return std::int64_t{o} * stride - pad; }
    // The taps of output o that lie inside the input: first .. end.
    void inside(std::int32_t o, std::int32_t& first, std::int32_t& end) const;
};

// Reads stride, padding and dilation from arguments; `dilation_at` 0: none. Lists of one number are for both sides.
// windows: `kernel` is set; sets all but `out`. mismatch: numbers that no operator has.
Status read_windows(Args& args, std::size_t stride_at, std::size_t dilation_at, const FeatureMap& in,
                    Window (&windows)[2]);

// The sizes of a result, in the order of its tensor's dimensions.
Dims feature_map_sizes(std::int32_t batches, std::int32_t channels, const Window (&windows)[2], bool nhwc);

// Entry d of a list with one number for both sides or one for each; an error in args for any other list.
std::int32_t of_side(Args& args, const Dims& list, int d);

}  // namespace etb
