#include "kernels/feature_map.h"

namespace etb {

FeatureMap::FeatureMap(const Tensor& tensor, bool nhwc) {
    const Dims steps = strides(tensor);
    const int rows = nhwc ? 1 : 2;
    const int channel = nhwc ? 3 : 1;
    batches = tensor.sizes[0];
    channels = tensor.sizes[channel];
    batch_step = steps[0];
    channel_step = steps[channel];
    for (int d = 0; d < 2; ++d) sides[d] = {tensor.sizes[rows + d], steps[rows + d]};
}

void Window::inside(std::int32_t o, std::int32_t& first, std::int32_t& end) const {
    const std::int64_t from = start(o);
    const std::int64_t before = from < 0 ? (-from + dilation - 1) / dilation : 0;
    const std::int64_t reach = in > from ? (in - from + dilation - 1) / dilation : 0;
    end = reach < kernel ? static_cast<std::int32_t>(reach) : kernel;
    first = before < end ? static_cast<std::int32_t>(before) : end;
}

std::int32_t of_side(Args& args, const Dims& list, int d) {
    args.demand(list.rank == 1 || list.rank == 2, "window: wrong number of strides or pads");
    return list[list.rank == 1 ? 0 : d];
}

Status read_windows(Args& args, std::size_t stride_at, std::size_t dilation_at, const FeatureMap& in,
                    Window (&windows)[2]) {
    const Dims stride = args.integers(stride_at);
    const Dims pad = args.integers(stride_at + 1);
    const Dims dilation = dilation_at ? args.integers(dilation_at) : Dims();
    for (int d = 0; d < 2; ++d) {
        Window& window = windows[d];
        window.in = in.sides[d].size;
        window.stride = of_side(args, stride, d);
        window.pad = of_side(args, pad, d);
        window.dilation = dilation_at ? of_side(args, dilation, d) : 1;
        const std::int32_t most = 1 << 24;
        args.demand(window.kernel > 0 && window.stride > 0 && window.pad >= 0 && window.dilation > 0 &&
                        window.kernel <= most && window.stride <= most && window.pad <= most && window.dilation <= most,
                    "window: wrong kernel, stride, pad or dilation");
    }
    return args.status;
}

Dims feature_map_sizes(std::int32_t batches, std::int32_t channels, const Window (&windows)[2], bool nhwc) {
    Dims sizes;
    sizes.push(batches);
    if (!nhwc) sizes.push(channels);
    for (const Window& window : windows) sizes.push(window.out);
    if (nhwc) sizes.push(channels);
    return sizes;
}

}  // namespace etb
