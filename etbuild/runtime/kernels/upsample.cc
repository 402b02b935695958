// aten::upsample_nearest2d and upsample_bilinear2d, on [N, C, H, W]. Source positions are computed in float32. Tested
// by "upsample" in test_window.py.
#include <cmath>
#include <cstring>

#include "kernels/reals.h"

namespace etb {
namespace {

struct Axis {
    std::int32_t in, out;
    float scale;  // input positions per output position

    // floor(o * scale), at most in - 1.
    [[nodiscard]] std::int32_t nearest(std::int32_t o) const {
        const auto i = static_cast<std::int32_t>(static_cast<float>(o) * scale);
        return i < in - 1 ? i : in - 1;
    }
    // The neighbours i and next of output position o. Returns the weight of `next`; that of `i` is 1 less it.
    float between(std::int32_t o, bool corners, std::int32_t& i, std::int32_t& next) const {
        float at = corners ? static_cast<float>(o) * scale : (static_cast<float>(o) + 0.5f) * scale - 0.5f;
        if (at < 0) at = 0;
        i = static_cast<std::int32_t>(at);
        if (i > in - 1) i = in - 1;
        next = i < in - 1 ? i + 1 : i;
        const float part = at - static_cast<float>(i);
        return part < 0 ? 0 : part > 1 ? 1 : part;
    }
};

// scale_factors[i], a list of packed doubles. false: the list is None, or an error is recorded in args.
bool factor_at(Args& args, std::size_t argument, std::size_t i, double& factor) {
    if (args.is_null(argument)) return false;
    const Value& list = args.value(argument);
    args.demand(list.type == ValueType::reals && list.count == 2,
                "upsample: scale_factors is not a list of two numbers");
    if (!args.status.ok()) return false;
    factor = load<double>(list.packed + 8 * i);
    args.demand(factor > 0 && factor < 65536, "upsample: wrong scale factor");
    return args.status.ok();
}

// Fills the axes and the result's sizes, from output_size (argument 1) or else scale_factors (argument `factors`). The
// scale is computed as in PyTorch (area_pixel_compute_scale). corners: align_corners.
Status place_axes(Args& args, const Tensor& in, std::size_t factors, bool corners, Axis (&axes)[2], Dims& sizes) {
    const Dims wanted = args.integers(1);
    args.demand(in.rank == 4 && (wanted.rank == 0 || wanted.rank == 2), "upsample takes four dimensions");
    ETB_TRY(args.status);
    sizes = Dims(in);
    for (int d = 0; d < 2; ++d) {
        double factor = 0;
        const bool given = factor_at(args, factors, static_cast<std::size_t>(d), factor);
        ETB_TRY(args.status);
        Axis& axis = axes[d];
        axis.in = in.sizes[2 + d];
        const double size = wanted.rank ? wanted[d] : std::floor(axis.in * factor);
        if (!(size >= 1) || size > INT32_MAX || axis.in < 1) return error(Code::mismatch, "upsample: wrong size");
        axis.out = static_cast<std::int32_t>(size);
        if (corners) {
            axis.scale = axis.out > 1 ? static_cast<float>(axis.in - 1) / static_cast<float>(axis.out - 1) : 0;
        } else {
            axis.scale =
                given ? static_cast<float>(1.0 / factor) : static_cast<float>(axis.in) / static_cast<float>(axis.out);
        }
        sizes[2 + d] = axis.out;
    }
    return {};
}

// Eight bytes at a time, which the library's memcpy of a small runtime does not do.
void copy_row(std::uint8_t* to, const std::uint8_t* from, std::size_t size) {
    for (; size >= 8; size -= 8, to += 8, from += 8) std::memcpy(to, from, 8);
    for (; size > 0; --size) *to++ = *from++;
}

// Every source position is computed once, not for each plane. A row with the source of the row before is its copy.
template <class T>
void copy_nearest(const Tensor& in, Tensor& out, const Axis (&axes)[2]) {
    const Dims from = strides(in);
    const Dims to = strides(out);
    // What is written may be of type char, of which the compiler assumes that it changes any of these in memory.
    const std::ptrdiff_t read_step = from[1];
    const std::ptrdiff_t write_step = to[1];
    const std::int32_t planes = out.sizes[1];
    const auto for_planes = [&](std::ptrdiff_t read_at, std::ptrdiff_t write_at, const auto& use) {
        for (std::int32_t n = 0; n < out.sizes[0]; ++n) {
            const T* read = in.as<T>() + std::ptrdiff_t{n} * from[0] + read_at;
            T* write = out.as<T>() + std::ptrdiff_t{n} * to[0] + write_at;
            for (std::int32_t c = 0; c < planes; ++c, read += read_step, write += write_step) use(read, write);
        }
    };
    const std::size_t row_bytes = static_cast<std::size_t>(axes[1].out) * sizeof(T);
    std::int32_t before = -1;
    for (std::int32_t y = 0; y < axes[0].out; ++y) {
        const std::int32_t source = axes[0].nearest(y);
        const std::ptrdiff_t row = std::ptrdiff_t{y} * to[2];
        if (source == before && to[3] == 1) {
            for_planes(0, row, [&](const T*, T* write) {
                copy_row(reinterpret_cast<std::uint8_t*>(write), reinterpret_cast<const std::uint8_t*>(write - to[2]),
                         row_bytes);
            });
            continue;
        }
        before = source;
        for (std::int32_t x = 0; x < axes[1].out; ++x)
            for_planes(std::ptrdiff_t{source} * from[2] + std::ptrdiff_t{axes[1].nearest(x)} * from[3],
                       row + std::ptrdiff_t{x} * to[3], [](const T* read, T* write) { *write = *read; });
    }
}

// upsample_nearest2d.vec(self, output_size or None, scale_factors or None, out). Any type: elements are only copied.
Status nearest(Args& args) {
    const Tensor& in = args.tensor(0);
    Tensor& out = args.out(3);
    args.demand(in.dtype == out.dtype, "upsample: result has another type");
    Axis axes[2];
    Dims sizes;
    ETB_TRY(place_axes(args, in, 2, false, axes, sizes));
    ETB_TRY(resize(out, sizes));
    if (out.count() == 0) return {};
    switch (element_size(in.dtype)) {
        case 1:
            copy_nearest<std::uint8_t>(in, out, axes);
            return {};
        case 2:
            copy_nearest<std::uint16_t>(in, out, axes);
            return {};
        case 4:
            copy_nearest<std::uint32_t>(in, out, axes);
            return {};
        case 8:
            copy_nearest<std::uint64_t>(in, out, axes);
            return {};
        default:
            return error(Code::mismatch, "upsample: elements of a size that is not taken");
    }
}

// upsample_bilinear2d.vec(self, output_size or None, align_corners, scale_factors or None, out): the weighted mean of
// the four neighbours. float32.
Status bilinear(Args& args) {
    const Tensor& in = args.tensor(0);
    const bool corners = args.boolean(2);
    Tensor& out = args.out(4);
    args.demand(is_real(in.dtype) && is_real(out.dtype), "bilinear upsample takes float32");
    Axis axes[2];
    Dims sizes;
    ETB_TRY(place_axes(args, in, 3, corners, axes, sizes));
    ETB_TRY(resize(out, sizes));
    const Dims from = strides(in);
    const Dims to = strides(out);
    for (std::int32_t n = 0; n < sizes[0]; ++n)
        for (std::int32_t c = 0; c < sizes[1]; ++c) {
            ConstReals plane = reals(in) + std::ptrdiff_t{n} * from[0] + std::ptrdiff_t{c} * from[1];
            Reals result = reals(out) + std::ptrdiff_t{n} * to[0] + std::ptrdiff_t{c} * to[1];
            for (std::int32_t y = 0; y < axes[0].out; ++y) {
                std::int32_t top;
                std::int32_t bottom;
                const float down = axes[0].between(y, corners, top, bottom);
                ConstReals upper = plane + std::ptrdiff_t{top} * from[2];
                ConstReals lower = plane + std::ptrdiff_t{bottom} * from[2];
                for (std::int32_t x = 0; x < axes[1].out; ++x) {
                    std::int32_t left;
                    std::int32_t right;
                    const float across = axes[1].between(x, corners, left, right);
                    const std::ptrdiff_t l = std::ptrdiff_t{left} * from[3];
                    const std::ptrdiff_t r = std::ptrdiff_t{right} * from[3];
                    result[std::ptrdiff_t{y} * to[2] + std::ptrdiff_t{x} * to[3]] =
                        (1 - down) * ((1 - across) * upper[l] + across * upper[r]) +
                        down * ((1 - across) * lower[l] + across * lower[r]);
                }
            }
        }
    return {};
}

}  // namespace

ETB_KERNEL(upsample_nearest2d, "aten::upsample_nearest2d.vec_out", nearest);
ETB_KERNEL(upsample_bilinear2d, "aten::upsample_bilinear2d.vec_out", bilinear);

}  // namespace etb
