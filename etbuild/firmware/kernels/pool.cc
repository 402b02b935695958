// Windows over the last two dimensions: their mean or their largest element. in is [C, H, W] or [N, C, H, W].
// Tested by "pool" in test_window.py.
#include "kernels/view.h"

namespace etb {
namespace {

struct Axis {
    std::int32_t kernel = 1, stride = 1, pad = 0, dilation = 1, in = 1, out = 1;
};

std::int32_t entry(const Dims& list, int d, std::int32_t fallback) {
    return list.rank == 0 ? fallback : list[list.rank == 1 ? 0 : d];
}

// Windows hang over the end only if `ceil`, and only if they start inside the input or its leading padding.
std::int64_t windows(const Axis& axis, bool ceil) {
    const std::int64_t reach = std::int64_t{axis.dilation} * (axis.kernel - 1) + 1;
    const std::int64_t free = std::int64_t{axis.in} + 2 * std::int64_t{axis.pad} - reach;
    if (free < 0) return ceil && free + axis.stride > 0 && axis.pad < axis.in ? 1 : 0;
    std::int64_t count = (free + (ceil ? axis.stride - 1 : 0)) / axis.stride + 1;
    if (ceil && (count - 1) * axis.stride >= std::int64_t{axis.in} + axis.pad) --count;
    return count;
}

Status place_axes(Args& args, const Tensor& in, std::size_t dilation_at, bool ceil, Axis (&axes)[2], Dims& sizes) {
    const Dims kernel = args.integers(1);
    const Dims stride = args.integers(2);
    const Dims pad = args.integers(3);
    const Dims dilation = dilation_at ? args.integers(dilation_at) : Dims();
    ETB_TRY(args.status);
    if (in.rank < 3 || in.rank > 4) return error(Code::mismatch, "pooling takes three or four dimensions");
    sizes = Dims(in);
    for (int d = 0; d < 2; ++d) {
        Axis& axis = axes[d];
        axis.in = in.sizes[in.rank - 2 + d];
        axis.kernel = entry(kernel, d, 0);
        axis.stride = entry(stride, d, axis.kernel);
        axis.pad = entry(pad, d, 0);
        axis.dilation = entry(dilation, d, 1);
        if (axis.kernel < 1 || axis.stride < 1 || axis.pad < 0 || axis.dilation < 1 || axis.pad > axis.kernel / 2)
            return error(Code::mismatch, "pooling: wrong kernel, stride or padding");
        const std::int64_t count = windows(axis, ceil);
        if (count < 1 || count > INT32_MAX) return error(Code::mismatch, "pooling: no window fits");
        axis.out = static_cast<std::int32_t>(count);
        sizes[in.rank - 2 + d] = axis.out;
    }
    return {};
}

// The planes of the input beside those of the result; `visit` gets the offsets of both.
template <class Visit>
void for_planes(const Tensor& in, const Tensor& out, Visit visit) {
    Dims sizes(in);
    sizes[in.rank - 2] = in.count() ? 1 : 0;
    sizes[in.rank - 1] = 1;
    const Dims steps[] = {strides(in), strides(out)};
    for (Walk walk(sizes, steps); walk.run(); walk.next())
        for (std::int32_t i = 0; i < walk.run(); ++i)
            visit(walk.at(0) + i * walk.step(0), walk.at(1) + i * walk.step(1));
}

// self, kernel, stride, padding, ceil_mode, count_include_pad, divisor_override, out.
Status average(Args& args) {
    const Tensor& in = args.tensor(0);
    const bool ceil = args.boolean(4);
    const bool include_pad = args.boolean(5);
    const std::int64_t divisor = args.integer_or(6, 0);
    Tensor& out = args.out(7);
    args.demand(in.dtype == DType::f32 && out.dtype == DType::f32, "average pooling takes float32");
    Axis axes[2];
    Dims sizes;
    ETB_TRY(place_axes(args, in, 0, ceil, axes, sizes));
    ETB_TRY(resize(out, sizes));
    const Dims in_steps = strides(in);
    const Dims out_steps = strides(out);
    const int y = in.rank - 2;
    const int x = in.rank - 1;
    for_planes(in, out, [&](std::ptrdiff_t from, std::ptrdiff_t to) {
        for (std::int32_t oy = 0; oy < axes[0].out; ++oy)
            for (std::int32_t ox = 0; ox < axes[1].out; ++ox) {
                std::int32_t begin[2];
                std::int32_t end[2];
                std::int64_t area = 1;
                for (int d = 0; d < 2; ++d) {
                    const Axis& axis = axes[d];
                    begin[d] = (d ? ox : oy) * axis.stride - axis.pad;
                    end[d] = begin[d] + axis.kernel;
                    if (end[d] > axis.in + axis.pad) end[d] = axis.in + axis.pad;
                    if (include_pad) area *= end[d] - begin[d];
                    if (begin[d] < 0) begin[d] = 0;
                    if (end[d] > axis.in) end[d] = axis.in;
                    if (!include_pad) area *= end[d] - begin[d];
                }
                float sum = 0;
                for (std::int32_t iy = begin[0]; iy < end[0]; ++iy)
                    for (std::int32_t ix = begin[1]; ix < end[1]; ++ix)
                        sum +=
                            in.as<float>()[from + std::ptrdiff_t{iy} * in_steps[y] + std::ptrdiff_t{ix} * in_steps[x]];
                out.as<float>()[to + std::ptrdiff_t{oy} * out_steps[y] + std::ptrdiff_t{ox} * out_steps[x]] =
                    sum / static_cast<float>(divisor ? divisor : area);
            }
    });
    return {};
}

// self, kernel, stride, padding, dilation, ceil_mode, out, indices (into the plane).
Status maximum(Args& args) {
    const Tensor& in = args.tensor(0);
    const bool ceil = args.boolean(5);
    Tensor& out = args.out(6);
    Tensor& places = args.out(7);
    args.demand(computes(in.dtype) && out.dtype == in.dtype && places.dtype == DType::i64, "max pooling: wrong types");
    Axis axes[2];
    Dims sizes;
    ETB_TRY(place_axes(args, in, 4, ceil, axes, sizes));
    ETB_TRY(resize(out, sizes));
    ETB_TRY(resize(places, sizes));
    const Dims in_steps = strides(in);
    const Dims out_steps = strides(out);
    const int y = in.rank - 2;
    const int x = in.rank - 1;
    const Dims place_steps = strides(places);
    for (int d = 0; d < in.rank; ++d)
        if (sizes[d] > 1 && place_steps[d] != out_steps[d])
            return error(Code::mismatch, "max pooling: results in different memory orders");
    for_planes(in, out, [&](std::ptrdiff_t from, std::ptrdiff_t to) {
        for (std::int32_t oy = 0; oy < axes[0].out; ++oy)
            for (std::int32_t ox = 0; ox < axes[1].out; ++ox) {
                const std::ptrdiff_t target =
                    to + std::ptrdiff_t{oy} * out_steps[y] + std::ptrdiff_t{ox} * out_steps[x];
                std::int64_t best_place = -1;
                float best_float = 0;
                std::int64_t best_integer = 0;
                for (std::int32_t ky = 0; ky < axes[0].kernel; ++ky)
                    for (std::int32_t kx = 0; kx < axes[1].kernel; ++kx) {
                        const std::int64_t iy =
                            std::int64_t{oy} * axes[0].stride + std::int64_t{ky} * axes[0].dilation - axes[0].pad;
                        const std::int64_t ix =
                            std::int64_t{ox} * axes[1].stride + std::int64_t{kx} * axes[1].dilation - axes[1].pad;
                        if (iy < 0 || iy >= axes[0].in || ix < 0 || ix >= axes[1].in) continue;
                        const auto source = static_cast<std::ptrdiff_t>(from + iy * in_steps[y] + ix * in_steps[x]);
                        bool better = best_place < 0;
                        float real = 0;
                        std::int64_t whole = 0;
                        if (is_float(in.dtype)) {
                            load_lanes(in, source, 1, 1, &real);
                            better = better || real > best_float || real != real;
                        } else {
                            load_lanes(in, source, 1, 1, &whole);
                            better = better || whole > best_integer;
                        }
                        if (!better) continue;
                        best_place = iy * axes[1].in + ix;
                        best_float = real;
                        best_integer = whole;
                    }
                if (is_float(in.dtype)) {
                    store_lanes(out, target, 1, 1, &best_float);
                } else {
                    store_lanes(out, target, 1, 1, &best_integer);
                }
                places.as<std::int64_t>()[target] = best_place;
            }
    });
    return {};
}

// self, output_size, out: window o covers [floor(o in / out), ceil((o + 1) in / out)).
Status adaptive_average(Args& args) {
    const Tensor& in = args.tensor(0);
    const Dims wanted = args.integers(1);
    Tensor& out = args.out(2);
    args.demand(in.dtype == DType::f32 && out.dtype == DType::f32, "average pooling takes float32");
    args.demand(in.rank >= 3 && in.rank <= 4 && wanted.rank == 2 && wanted[0] > 0 && wanted[1] > 0,
                "adaptive pooling: wrong shape");
    ETB_TRY(args.status);
    const int y = in.rank - 2;
    const int x = in.rank - 1;
    Dims sizes(in);
    sizes[y] = wanted[0];
    sizes[x] = wanted[1];
    if (in.sizes[y] == 0 || in.sizes[x] == 0) return error(Code::mismatch, "adaptive pooling: wrong shape");
    ETB_TRY(resize(out, sizes));
    const Dims in_steps = strides(in);
    const Dims out_steps = strides(out);
    const auto begin = [](std::int64_t o, std::int64_t from, std::int64_t to) { return o * from / to; };
    const auto end = [](std::int64_t o, std::int64_t from, std::int64_t to) { return ((o + 1) * from + to - 1) / to; };
    for_planes(in, out, [&](std::ptrdiff_t from, std::ptrdiff_t to) {
        for (std::int32_t oy = 0; oy < sizes[y]; ++oy)
            for (std::int32_t ox = 0; ox < sizes[x]; ++ox) {
                const std::int64_t top = begin(oy, in.sizes[y], sizes[y]);
                const std::int64_t bottom = end(oy, in.sizes[y], sizes[y]);
                const std::int64_t left = begin(ox, in.sizes[x], sizes[x]);
                const std::int64_t right = end(ox, in.sizes[x], sizes[x]);
                float sum = 0;
                for (std::int64_t iy = top; iy < bottom; ++iy)
                    for (std::int64_t ix = left; ix < right; ++ix)
                        sum += in.as<float>()[from + static_cast<std::ptrdiff_t>(iy * in_steps[y] + ix * in_steps[x])];
                out.as<float>()[to + std::ptrdiff_t{oy} * out_steps[y] + std::ptrdiff_t{ox} * out_steps[x]] =
                    sum / static_cast<float>((bottom - top) * (right - left));
            }
    });
    return {};
}

}  // namespace

ETB_KERNEL(avg_pool2d, "aten::avg_pool2d.out", average);
ETB_KERNEL(max_pool2d, "aten::max_pool2d_with_indices.out", maximum);
ETB_KERNEL(adaptive_avg_pool2d, "aten::_adaptive_avg_pool2d.out", adaptive_average);

}  // namespace etb
