// cortex_m::pad: int8 or int16 with constant elements around it. Tested by "pad" in test_cortex_m.py.
#include "kernels/fill.h"
#include "kernels/view.h"

namespace etb {
namespace {

// Whether the paddings of a tensor are in the order N, H, W, C: by ExecuTorch's rule, which counts a tensor that has
// one channel or one position as channels-last whatever its dim_order says.
bool is_channels_last(const Tensor& tensor) {
    if (tensor.rank != 4) return false;
    if (tensor.sizes[1] == 1 || (tensor.sizes[2] == 1 && tensor.sizes[3] == 1)) return true;
    return tensor.order[0] == 0 && tensor.order[1] == 2;
}

// pad(input, pre_pad [4], post_pad [4], pad_value, out): the last `rank` paddings count. Not negative.
Status pad(Args& args) {
    const Tensor& in = args.tensor(0);
    const Dims before = args.integers(1);
    const Dims after = args.integers(2);
    Tensor& out = args.out(4);
    args.demand(before.rank == 4 && after.rank == 4 && in.rank >= 1 && in.rank <= 4, "pad: wrong number of paddings");
    args.demand(in.dtype == out.dtype, "pad: result has another type");
    ETB_TRY(args.status);
    static constexpr int place_in_memory[] = {0, 3, 1, 2};
    const bool moved = is_channels_last(in);
    Dims sizes(in);
    Dims start(in);
    for (int d = 0; d < in.rank; ++d) {
        const int at = moved ? place_in_memory[d] : 4 - in.rank + d;
        const std::int64_t size = std::int64_t{in.sizes[d]} + before[at] + after[at];
        if (before[at] < 0 || after[at] < 0 || size > INT32_MAX)
            return error(Code::mismatch, "pad: wrong padding", static_cast<std::uint64_t>(d));
        sizes[d] = static_cast<std::int32_t>(size);
        start[d] = before[at];
    }
    ETB_TRY(resize(out, sizes));
    ETB_TRY(fill_with(args, 3, out));
    View inside(out);
    for (int d = 0; d < in.rank; ++d) inside.narrow(d, start[d], in.sizes[d]);
    return copy(View(in), inside);
}

}  // namespace

ETB_KERNEL(quantized_pad, "cortex_m::pad.out", pad);

}  // namespace etb
