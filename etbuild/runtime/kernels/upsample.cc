// aten::upsample_nearest2d and upsample_bilinear2d, on [N, C, H, W]. Source positions are computed in float32. Tested
// by "upsample" in test_window.py.
#include <cmath>
#include <cstring>

#include "kernels/factor.h"
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
        if (in == out) {  // whatever the scale
            i = next = o;
            return 0;
        }
        float at = corners ? static_cast<float>(o) * scale : (static_cast<float>(o) + 0.5f) * scale - 0.5f;
        if (at < 0) at = 0;
        i = static_cast<std::int32_t>(at);
        if (i > in - 1) i = in - 1;
        next = i < in - 1 ? i + 1 : i;
        const float part = at - static_cast<float>(i);
        return part < 0 ? 0 : part > 1 ? 1 : part;
    }
};

// Fills the axes and the result's sizes, from output_size (argument 1) or scale_factors (argument `factors`), a list of
// packed doubles. Errors are recorded in args. The scale is computed as in PyTorch (area_pixel_compute_scale).
// ExecuTorch computes that of a given size in float64, and rounds it to float32: below 2^24 the quotient of two sizes
// is never so near to the middle of two that it differs. corners: align_corners.
void place_axes(Args& args, const Tensor& in, std::size_t factors, bool corners, Axis (&axes)[2], Dims& sizes) {
    const Dims wanted = args.integers(1);
    const Value* list = args.is_null(factors) ? nullptr : &args.value(factors);
    args.demand(in.rank == 4, "upsample takes four dimensions");
    args.demand(list ? list->type == ValueType::reals && list->count == 2 && wanted.rank == 0 : wanted.rank == 2,
                "upsample takes either two sizes or two factors");
    if (!args.status.ok()) return;
    sizes = Dims(in);
    for (int d = 0; d < 2; ++d) {
        Axis& axis = axes[d];
        axis.in = in.sizes[2 + d];
        Factor factor;
        if (list && Factor::from(load<std::uint64_t>(list->packed + 8 * d), factor))
            axis.out = factor.floor_of(axis.in);
        else
            axis.out = list ? 0 : wanted[d];
        args.demand(axis.in > 0 && axis.out > 0, "upsample: wrong size or factor");
        if (!args.status.ok()) return;
        const int less = corners;
        axis.scale = list && !corners  ? factor.inverse()
                     : axis.out > less ? static_cast<float>(axis.in - less) / static_cast<float>(axis.out - less)
                                       : 0;
        sizes[2 + d] = axis.out;
    }
}

// Eight bytes at a time, which the library's memcpy of a small runtime does not do.
void copy_bytes(std::uint8_t* to, const std::uint8_t* from, std::size_t size) {
    for (; size >= 8; size -= 8, to += 8, from += 8) std::memcpy(to, from, 8);
    for (; size > 0; --size) *to++ = *from++;
}

// Copies pixels of one row. sources: of each, in bytes from the row's start. step: bytes from one to the next in the
// result. size: bytes of a pixel. Functions of their own: else the compiler keeps these on the stack and not in
// registers.
using CopyPixels = void (*)(std::uint8_t* to, const std::uint8_t* row, const std::ptrdiff_t* sources,
                            std::int32_t count, std::ptrdiff_t step, std::size_t size);

template <class T>
void copy_elements(std::uint8_t* to, const std::uint8_t* row, const std::ptrdiff_t* sources, std::int32_t count,
                   std::ptrdiff_t step, std::size_t) {
    for (; count > 0; --count, to += step) *reinterpret_cast<T*>(to) = *reinterpret_cast<const T*>(row + *sources++);
}

void copy_pixels(std::uint8_t* to, const std::uint8_t* row, const std::ptrdiff_t* sources, std::int32_t count,
                 std::ptrdiff_t step, std::size_t size) {
    for (; count > 0; --count, to += step) copy_bytes(to, row + *sources++, size);
}

CopyPixels copy_of(std::size_t size) {
    constexpr bool built[] = {is_built(std::size_t{1}), is_built(std::size_t{2}), is_built(std::size_t{4})};
    if (built[0] && size == 1) return copy_elements<std::uint8_t>;
    if (built[1] && size == 2) return copy_elements<std::uint16_t>;
    return built[2] && size == 4 ? copy_elements<std::uint32_t> : copy_pixels;
}

// The distances of a tensor's dimensions, in bytes.
Dims steps_of(const Tensor& tensor) {
    Dims steps = strides(tensor);
    for (std::int32_t& step : steps.at) step *= static_cast<std::int32_t>(element_size(tensor.dtype));
    return steps;
}

// Copies planes; where the channels of a pixel are contiguous, these together. The source columns are computed once and
// not for each row, and a row with the source of the row before is that row's copy.
void copy_nearest(const Tensor& in, Tensor& out, const Axis (&axes)[2]) {
    constexpr std::int32_t most = 32;
    const auto size = static_cast<std::int32_t>(element_size(in.dtype));
    const Dims from = steps_of(in);
    const Dims to = steps_of(out);
    const bool together = from[1] == size && to[1] == size;
    const std::int32_t planes = together ? 1 : out.sizes[1];
    const auto pixel = static_cast<std::size_t>(together ? out.sizes[1] * size : size);
    const CopyPixels copy = together ? copy_pixels : copy_of(pixel);
    std::ptrdiff_t sources[most];
    for (std::int32_t first = 0; first < axes[1].out; first += most) {
        const std::int32_t count = axes[1].out - first < most ? axes[1].out - first : most;
        for (std::int32_t x = 0; x < count; ++x) sources[x] = std::ptrdiff_t{axes[1].nearest(first + x)} * from[3];
        std::int32_t before = -1;
        for (std::int32_t y = 0; y < axes[0].out; ++y) {
            const std::int32_t source = axes[0].nearest(y);
            const bool again = source == before && static_cast<std::size_t>(to[3]) == pixel;
            before = source;
            for (std::int32_t n = 0; n < out.sizes[0]; ++n) {
                const std::uint8_t* read = in.data + std::ptrdiff_t{n} * from[0] + std::ptrdiff_t{source} * from[2];
                std::uint8_t* write =
                    out.data + std::ptrdiff_t{n} * to[0] + std::ptrdiff_t{y} * to[2] + std::ptrdiff_t{first} * to[3];
                for (std::int32_t c = 0; c < planes; ++c, read += from[1], write += to[1])
                    if (again)
                        copy_bytes(write, write - to[2], static_cast<std::size_t>(count) * pixel);
                    else
                        copy(write, read, sources, count, to[3], pixel);
            }
        }
    }
}

// upsample_nearest2d.vec(self, output_size or None, scale_factors or None, out). Any type: elements are only copied.
Status nearest(Args& args) {
    const Tensor& in = args.tensor(0);
    Tensor& out = args.out(3);
    args.demand(in.dtype == out.dtype, "upsample: result has another type");
    Axis axes[2];
    Dims sizes;
    place_axes(args, in, 2, false, axes, sizes);
    ETB_TRY(args.status);
    ETB_TRY(resize(out, sizes));
    if (out.count()) copy_nearest(in, out, axes);
    return {};
}

// The elements of a tensor of integers, used like a pointer to float.
struct Whole {
    struct Element {
        const Tensor* tensor;
        std::ptrdiff_t at;
        operator float() const { return load_one<float>(*tensor, at); }  // NOLINT: an element is a number
        void operator=(float x) const { store_one(*tensor, at, x); }
    };
    const Tensor* tensor;
    std::ptrdiff_t first = 0;
    Element operator[](std::ptrdiff_t at) const { return {tensor, first + at}; }
    Whole operator+(std::ptrdiff_t by) const { return {tensor, first + by}; }
};

// The weighted mean of the four neighbours. In, Out: pointers to elements, or Elements.
template <class In, class Out>
void interpolate(In first, Out to_first, const Tensor& in, const Tensor& out, const Axis (&axes)[2], bool corners) {
    const Dims from = strides(in);
    const Dims to = strides(out);
    for (std::int32_t n = 0; n < out.sizes[0]; ++n)
        for (std::int32_t c = 0; c < out.sizes[1]; ++c) {
            In plane = first + (std::ptrdiff_t{n} * from[0] + std::ptrdiff_t{c} * from[1]);
            Out result = to_first + (std::ptrdiff_t{n} * to[0] + std::ptrdiff_t{c} * to[1]);
            for (std::int32_t y = 0; y < axes[0].out; ++y) {
                std::int32_t top;
                std::int32_t bottom;
                const float down = axes[0].between(y, corners, top, bottom);
                In upper = plane + std::ptrdiff_t{top} * from[2];
                In lower = plane + std::ptrdiff_t{bottom} * from[2];
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
}

// upsample_bilinear2d.vec(self, output_size or None, align_corners, scale_factors or None, out). Integers are computed
// in float32, and what is after the point is cut off.
Status bilinear(Args& args) {
    const Tensor& in = args.tensor(0);
    const bool corners = args.boolean(2);
    Tensor& out = args.out(4);
    args.demand(in.dtype == out.dtype && computes(in.dtype) && in.dtype != DType::boolean,
                "bilinear upsample: wrong types");
    Axis axes[2];
    Dims sizes;
    place_axes(args, in, 3, corners, axes, sizes);
    ETB_TRY(args.status);
    ETB_TRY(resize(out, sizes));
    if (is_real(in.dtype))
        interpolate<ConstReals, Reals>(reals(in), reals(out), in, out, axes, corners);
    else
        interpolate(Whole{&in}, Whole{&out}, in, out, axes, corners);
    return {};
}

}  // namespace

ETB_KERNEL(upsample_nearest2d, "aten::upsample_nearest2d.vec_out", nearest);
ETB_KERNEL(upsample_bilinear2d, "aten::upsample_bilinear2d.vec_out", bilinear);

}  // namespace etb
