// Pooling over the last two dimensions of [C, H, W] or [N, C, H, W]: aten::avg_pool2d, max_pool2d_with_indices,
// _adaptive_avg_pool2d. Tested by "pool" in test_window.py.
#include "kernels/lanes.h"
#include "kernels/layout.h"
#include "kernels/reals.h"
#include "kernels/walk.h"

namespace etb {
namespace {

struct WindowAxis {
    std::int32_t kernel = 1, stride = 1, pad = 0, dilation = 1, in = 1, out = 1;

    // First position of the window of output o; negative in the padding.
    [[nodiscard]] std::int64_t start(std::int32_t o) const { return std::int64_t{o} * stride - pad; }
    // The window's first position inside the input, and one past its last.
    void inside(std::int32_t o, std::int64_t& first, std::int64_t& end) const {
        const std::int64_t from = start(o);
        first = from >= 0 ? from : from + (-from + dilation - 1) / dilation * dilation;
        end = from + std::int64_t{kernel - 1} * dilation + 1;
        if (end > in) end = in;
    }
};

// The two spatial dimensions, and their strides in elements.
struct Plane {
    WindowAxis axes[2];
    std::ptrdiff_t in_steps[2] = {};
    std::ptrdiff_t out_steps[2] = {};

    void take_steps(const Tensor& in, const Tensor& out) {
        const Dims from = strides(in);
        const Dims to = strides(out);
        for (int d = 0; d < 2; ++d) {
            in_steps[d] = from[in.rank - 2 + d];
            out_steps[d] = to[in.rank - 2 + d];
        }
    }
};

// Entry d of a list that may also be empty (fallback) or hold one value for both dimensions.
std::int32_t entry(const Dims& list, int d, std::int32_t fallback) {
    return list.rank == 0 ? fallback : list[list.rank == 1 ? 0 : d];
}

// The number of windows along an axis. With `ceil` (ceil_mode) the last may extend beyond the input, but must start
// inside the input or its leading padding. source: PyTorch's pooling_output_shape.
std::int64_t windows(const WindowAxis& axis, bool ceil) {
    const std::int64_t reach = std::int64_t{axis.dilation} * (axis.kernel - 1) + 1;
    const std::int64_t free = std::int64_t{axis.in} + 2 * std::int64_t{axis.pad} - reach;
    if (free < 0) return ceil && free + axis.stride > 0 && axis.pad < axis.in ? 1 : 0;
    std::int64_t count = (free + (ceil ? axis.stride - 1 : 0)) / axis.stride + 1;
    if (ceil && (count - 1) * axis.stride >= std::int64_t{axis.in} + axis.pad) --count;
    return count;
}

// Fills the axes from kernel, stride, padding (arguments 1 to 3) and dilation (argument dilation_at; 0: none), and the
// sizes of the output.
Status place_axes(Args& args, const Tensor& in, std::size_t dilation_at, bool ceil, WindowAxis (&axes)[2],
                  Dims& sizes) {
    const Dims kernel = args.integers(1);
    const Dims stride = args.integers(2);
    const Dims pad = args.integers(3);
    const Dims dilation = dilation_at ? args.integers(dilation_at) : Dims();
    ETB_TRY(args.status);
    if (in.rank < 3 || in.rank > 4) return error(Code::mismatch, "pooling takes three or four dimensions");
    sizes = Dims(in);
    for (int d = 0; d < 2; ++d) {
        WindowAxis& axis = axes[d];
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

// Calls `visit` for each plane [H, W] with its offsets in the input and in the output.
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

// What the sum of a window is divided by. include_pad: count_include_pad.
struct Divisor {
    bool include_pad;
    std::int64_t fixed;  // divisor_override; 0: the number of elements in the window

    [[nodiscard]] std::int64_t of(const Plane& plane, std::int32_t oy, std::int32_t ox) const {
        if (fixed) return fixed;
        std::int64_t area = 1;
        for (int d = 0; d < 2; ++d) {
            const WindowAxis& axis = plane.axes[d];
            std::int64_t first = 0;
            std::int64_t end = 0;
            axis.inside(d ? ox : oy, first, end);
            if (include_pad) {
                first = axis.start(d ? ox : oy);
                end = first + axis.kernel;
                if (end > std::int64_t{axis.in} + axis.pad) end = std::int64_t{axis.in} + axis.pad;
            }
            area *= end - first;
        }
        return area;
    }
};

Real window_sum(const Plane& plane, ConstReals x, std::int32_t oy, std::int32_t ox) {
    std::int64_t top = 0;
    std::int64_t bottom = 0;
    std::int64_t left = 0;
    std::int64_t right = 0;
    plane.axes[0].inside(oy, top, bottom);
    plane.axes[1].inside(ox, left, right);
    Real sum = 0;
    for (auto iy = static_cast<std::ptrdiff_t>(top); iy < bottom; ++iy)
        for (auto ix = static_cast<std::ptrdiff_t>(left); ix < right; ++ix)
            sum += x[iy * plane.in_steps[0] + ix * plane.in_steps[1]];
    return sum;
}

// avg_pool2d(self, kernel, stride, padding, ceil_mode, count_include_pad, divisor_override, out): sum of the window /
// divisor. float32.
Status average(Args& args) {
    const Tensor& in = args.tensor(0);
    const bool ceil = args.boolean(4);
    const Divisor divisor{args.boolean(5), args.integer_or(6, 0)};
    Tensor& out = args.out(7);
    args.demand(is_number(in.dtype) && is_number(out.dtype), "average pooling takes float32");
    Plane plane;
    Dims sizes;
    ETB_TRY(place_axes(args, in, 0, ceil, plane.axes, sizes));
    ETB_TRY(resize(out, sizes));
    plane.take_steps(in, out);
    for_planes(in, out, [&](std::ptrdiff_t from, std::ptrdiff_t to) {
        for (std::int32_t oy = 0; oy < plane.axes[0].out; ++oy)
            for (std::int32_t ox = 0; ox < plane.axes[1].out; ++ox)
                reals(out)[to + oy * plane.out_steps[0] + ox * plane.out_steps[1]] =
                    window_sum(plane, reals(in) + from, oy, ox) / static_cast<Real>(divisor.of(plane, oy, ox));
    });
    return {};
}

// The largest element of a window, and its index in the plane. NaN counts as the largest.
template <class Lane>
std::int64_t window_best(const Plane& plane, const Tensor& in, std::ptrdiff_t from, std::int32_t oy, std::int32_t ox,
                         Lane& best) {
    std::int64_t top = 0;
    std::int64_t bottom = 0;
    std::int64_t left = 0;
    std::int64_t right = 0;
    plane.axes[0].inside(oy, top, bottom);
    plane.axes[1].inside(ox, left, right);
    std::int64_t place = -1;
    best = 0;
    for (std::int64_t iy = top; iy < bottom; iy += plane.axes[0].dilation)
        for (std::int64_t ix = left; ix < right; ix += plane.axes[1].dilation) {
            Lane x = 0;
            load_lanes(in, static_cast<std::ptrdiff_t>(from + iy * plane.in_steps[0] + ix * plane.in_steps[1]), 1, 1,
                       &x);
            if (place >= 0 && !(x > best) && x == x) continue;
            best = x;
            place = iy * plane.axes[1].in + ix;
        }
    return place;
}

template <class Lane>
void maxima(const Plane& plane, const Tensor& in, const Tensor& out, const Tensor& places) {
    for_planes(in, out, [&](std::ptrdiff_t from, std::ptrdiff_t to) {
        for (std::int32_t oy = 0; oy < plane.axes[0].out; ++oy)
            for (std::int32_t ox = 0; ox < plane.axes[1].out; ++ox) {
                const std::ptrdiff_t target = to + oy * plane.out_steps[0] + ox * plane.out_steps[1];
                Lane best = 0;
                places.as<std::int64_t>()[target] = window_best(plane, in, from, oy, ox, best);
                store_lanes(out, target, 1, 1, &best);
            }
    });
}

// max_pool2d_with_indices(self, kernel, stride, padding, dilation, ceil_mode, out, indices). indices: y * W + x.
Status maximum(Args& args) {
    const Tensor& in = args.tensor(0);
    const bool ceil = args.boolean(5);
    Tensor& out = args.out(6);
    Tensor& places = args.out(7);
    args.demand(computes(in.dtype) && out.dtype == in.dtype && places.dtype == DType::i64, "max pooling: wrong types");
    Plane plane;
    Dims sizes;
    ETB_TRY(place_axes(args, in, 4, ceil, plane.axes, sizes));
    ETB_TRY(resize(out, sizes));
    ETB_TRY(resize(places, sizes));
    if (!same_layout(out, places)) return error(Code::mismatch, "max pooling: results in different memory orders");
    plane.take_steps(in, out);
    if (is_float(in.dtype)) {
        maxima<Real>(plane, in, out, places);
    } else {
        maxima<std::int64_t>(plane, in, out, places);
    }
    return {};
}

// _adaptive_avg_pool2d(self, output_size, out): the mean of window o, [floor(o in / out), ceil((o + 1) in / out)) along
// each dimension. float32.
Status adaptive_average(Args& args) {
    const Tensor& in = args.tensor(0);
    const Dims wanted = args.integers(1);
    Tensor& out = args.out(2);
    args.demand(is_number(in.dtype) && is_number(out.dtype), "average pooling takes float32");
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
                Real sum = 0;
                for (std::int64_t iy = top; iy < bottom; ++iy)
                    for (std::int64_t ix = left; ix < right; ++ix)
                        sum += reals(in)[from + static_cast<std::ptrdiff_t>(iy * in_steps[y] + ix * in_steps[x])];
                reals(out)[to + std::ptrdiff_t{oy} * out_steps[y] + std::ptrdiff_t{ox} * out_steps[x]] =
                    sum / static_cast<Real>((bottom - top) * (right - left));
            }
    });
    return {};
}

}  // namespace

ETB_KERNEL(avg_pool2d, "aten::avg_pool2d.out", average);
ETB_KERNEL(max_pool2d, "aten::max_pool2d_with_indices.out", maximum);
ETB_KERNEL(adaptive_avg_pool2d, "aten::_adaptive_avg_pool2d.out", adaptive_average);

}  // namespace etb
