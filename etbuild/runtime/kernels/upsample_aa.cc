// aten::_upsample_bilinear2d_aa: [N, C, H, W] resized with an anti-aliasing triangle filter. Along each dimension, an
// output position o is the mean of the input positions i around (o + 0.5) scale, with weights
// max(0, 1 - |i + 0.5 - centre| / max(scale, 1)). Positions and weights in float32. Tested by "upsample_aa" in
// test_portable_numeric.py.
#include <cmath>

#include "kernels/element.h"

namespace etb {
namespace {

// The filter of one output position along one dimension.
struct Filter {
    float centre, inverse;
    std::int64_t first, end;  // input positions with a weight
    float total;              // of their weights; 0: the one position has weight 1

    Filter(std::int32_t o, float scale, std::int32_t size) {
        centre = scale * (static_cast<float>(o) + 0.5f);
        const float reach = scale >= 1.0f ? scale : 1.0f;
        inverse = scale >= 1.0f ? 1.0f / scale : 1.0f;
        first = truncate(centre - reach + 0.5f);
        end = truncate(centre + reach + 0.5f);
        if (first < 0) first = 0;
        if (end > size) end = size;
        total = 0;
        for (std::int64_t i = first; i < end; ++i) total += triangle(i);
        if (total > 0) return;
        total = 0;
        first = truncate(centre);
        first = first < 0 ? 0 : first < size ? first : size - 1;
        end = first + 1;
    }
    [[nodiscard]] float triangle(std::int64_t i) const {
        const float x = std::fabs((static_cast<float>(i) - centre + 0.5f) * inverse);
        return x < 1.0f ? 1.0f - x : 0.0f;
    }
    [[nodiscard]] float weight(std::int64_t i) const { return total > 0 ? triangle(i) / total : 1.0f; }
};

// Input positions per output position. factor: outputs per input, or 0 if not given.
float scale_of(std::int32_t in, std::int32_t out, bool corners, double factor) {
    if (corners) return out > 1 ? static_cast<float>(static_cast<double>(in - 1) / (out - 1)) : 0.0f;
    return static_cast<float>(factor > 0 ? 1.0 / factor : static_cast<double>(in) / out);
}

// _upsample_bilinear2d_aa(self, output_size, align_corners, scales_h or None, scales_w or None, out). The factors count
// only if both are given. Integers are truncated after each product, as in ExecuTorch.
Status upsample(Args& args) {
    const Tensor& in = args.tensor(0);
    const Dims wanted = args.integers(1);
    const bool corners = args.boolean(2);
    const bool given = !args.is_null(3) && !args.is_null(4);
    const double factors[2] = {given ? args.number(3) : 0, given ? args.number(4) : 0};
    Tensor& out = args.out(5);
    args.demand(in.rank == 4 && wanted.rank == 2 && wanted[0] > 0 && wanted[1] > 0 && &in != &out,
                "upsample: wrong shape");
    args.demand(computes(in.dtype) && in.dtype == out.dtype && in.dtype != DType::boolean, "upsample: wrong type");
    ETB_TRY(args.status);
    if (in.sizes[2] < 1 || in.sizes[3] < 1) return error(Code::mismatch, "upsample: wrong shape");
    Dims sizes(in);
    sizes[2] = wanted[0];
    sizes[3] = wanted[1];
    ETB_TRY(resize(out, sizes));
    float scales[2];
    for (int d = 0; d < 2; ++d) {
        scales[d] = scale_of(in.sizes[2 + d], sizes[2 + d], corners, factors[d]);
        if (!(scales[d] >= 0 && scales[d] < 1e9f)) return error(Code::mismatch, "upsample: wrong scale");
    }
    const bool whole = !is_float(in.dtype);
    const Dims in_steps = strides(in);
    const Dims out_steps = strides(out);
    for (Place at(sizes); at.more(); at.next()) {
        const Filter rows(at[2], scales[0], in.sizes[2]);
        const Filter columns(at[3], scales[1], in.sizes[3]);
        const std::ptrdiff_t first = std::ptrdiff_t{at[0]} * in_steps[0] + std::ptrdiff_t{at[1]} * in_steps[1];
        Real sum = 0;
        for (auto i = static_cast<std::ptrdiff_t>(rows.first); i < rows.end; ++i)
            for (auto j = static_cast<std::ptrdiff_t>(columns.first); j < columns.end; ++j) {
                sum += load_one<Real>(in, first + i * in_steps[2] + j * in_steps[3]) * Real{rows.weight(i)} *
                       Real{columns.weight(j)};
                if (whole) sum = std::trunc(sum);
            }
        store_one(out, at.offset(out_steps), sum);
    }
    return {};
}

}  // namespace

ETB_KERNEL(upsample_bilinear2d_aa, "aten::_upsample_bilinear2d_aa.out", upsample);

}  // namespace etb
