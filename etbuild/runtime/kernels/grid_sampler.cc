// aten::grid_sampler_2d: out[n, c, h, w] = input[n, c] at the position grid[n, h, w] = (x, y), where -1 and 1 are the
// edges of the image, or with align_corners the centres of its outermost pixels. source: PyTorch's documentation of
// grid_sample; bicubic with A = -0.75. Integers have whole positions, as in ExecuTorch. Tested by "grid_sampler" in
// test_portable_numeric.py.
#include <cmath>

#include "kernels/element.h"

namespace etb {
namespace {

enum Mode : std::int64_t { bilinear = 0, nearest = 1, bicubic = 2 };
enum Padding : std::int64_t { zeros = 0, border = 1, reflection = 2 };

// x limited to 0 .. size - 1; size - 1 for NaN.
Real clip(Real x, std::int32_t size) {
    if (x < 0) return 0;
    const auto most = static_cast<Real>(size - 1);
    return x < most ? x : most;
}

// A whole number as an index; far outside for NaN and for what no index can be.
std::int64_t whole(Real x) {
    constexpr std::int64_t far = std::int64_t{1} << 40;
    return x > -static_cast<Real>(far) && x < static_cast<Real>(far) ? static_cast<std::int64_t>(x) : -far;
}

// One dimension of the image.
struct Edge {
    std::int32_t size;
    Padding padding;
    bool corners;

    // From -1 .. 1 to pixels.
    [[nodiscard]] Real pixels(Real x) const {
        const auto count = static_cast<Real>(size);
        return corners ? (x + 1) / 2 * (count - 1) : ((x + 1) * count - 1) / 2;
    }
    // x mirrored at both edges until it is inside.
    [[nodiscard]] Real mirror(Real x) const {
        if (corners && size == 1) return 0;
        const Real low = corners ? Real{0} : Real{-0.5f};
        const auto span = static_cast<Real>(corners ? size - 1 : size);
        x = std::fabs(x - low);
        const Real extra = std::fmod(x, span);
        const Real flips = std::floor(x / span);
        return std::fmod(flips, Real{2}) == 0 ? extra + low : span - extra + low;
    }
    // The position of grid coordinate x, in pixels.
    [[nodiscard]] Real source(Real x) const {
        const Real at = pixels(x);
        if (padding == zeros) return at;
        return clip(padding == reflection ? mirror(at) : at, size);
    }
    // The index of the pixel at a whole position; -1 where it is padding.
    [[nodiscard]] std::int32_t index(Real at) const {
        if (padding == zeros) {
            const std::int64_t i = whole(at);
            return i >= 0 && i < size ? static_cast<std::int32_t>(i) : -1;
        }
        return static_cast<std::int32_t>(clip(at, size));
    }
    // The index of the pixel at grid coordinate x, an integer; -1 where it is padding. All divisions are whole.
    [[nodiscard]] std::int32_t whole_index(std::int64_t x) const {
        constexpr std::int64_t far = std::int64_t{1} << 30;
        x = x < -far ? -far : x > far ? far : x;
        std::int64_t at = corners ? (x + 1) / 2 * (size - 1) : ((x + 1) * size - 1) / 2;
        if (padding == zeros) return at >= 0 && at < size ? static_cast<std::int32_t>(at) : -1;
        const std::int64_t span = corners ? size - 1 : size;
        if (padding == reflection && span == 0) return 0;
        if (padding == reflection) {
            at = at < 0 ? -at : at;
            at = at / span % 2 == 0 ? at % span : span - at % span;
        }
        return at < 0 ? 0 : at < size ? static_cast<std::int32_t>(at) : size - 1;
    }
};

// One channel of the input.
struct Image {
    const Tensor* tensor;
    std::ptrdiff_t first;
    std::ptrdiff_t row_step, column_step;
    Edge rows, columns;

    [[nodiscard]] Real at(Real y, Real x) const {
        const std::int32_t i = rows.index(y);
        const std::int32_t j = columns.index(x);
        return i < 0 || j < 0 ? 0 : load_one<Real>(*tensor, first + i * row_step + j * column_step);
    }
};

Real sample_bilinear(const Image& image, Real y, Real x) {
    const Real top = std::floor(y);
    const Real left = std::floor(x);
    const Real right = left + 1;
    const Real bottom = top + 1;
    return image.at(top, left) * ((right - x) * (bottom - y)) + image.at(top, right) * ((x - left) * (bottom - y)) +
           image.at(bottom, left) * ((right - x) * (y - top)) + image.at(bottom, right) * ((x - left) * (y - top));
}

// The weights of the pixels at -1, 0, 1 and 2 for a position t in 0 .. 1.
void cubic_weights(Real t, Real (&weights)[4]) {
    constexpr Real a = -0.75f;
    const auto near = [](Real x) { return ((a + 2) * x - (a + 3)) * x * x + 1; };
    const auto far = [](Real x) { return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a; };
    weights[0] = far(t + 1);
    weights[1] = near(t);
    weights[2] = near(1 - t);
    weights[3] = far(1 - t + 1);
}

Real sample_bicubic(const Image& image, Real y, Real x) {
    const Real top = std::floor(y);
    const Real left = std::floor(x);
    const auto inside = [](const Edge& edge, Real at) { return edge.padding == reflection ? edge.mirror(at) : at; };
    Real across[4];
    Real down[4];
    cubic_weights(x - left, across);
    cubic_weights(y - top, down);
    Real sum = 0;
    for (int i = 0; i < 4; ++i) {
        Real row = 0;
        for (int j = 0; j < 4; ++j)
            row += image.at(inside(image.rows, top + static_cast<Real>(i - 1)),
                            inside(image.columns, left + static_cast<Real>(j - 1))) *
                   across[j];
        sum += row * down[i];
    }
    return sum;
}

Real sample(const Image& image, Mode mode, Real grid_x, Real grid_y) {
    if (mode == bicubic) return sample_bicubic(image, image.rows.pixels(grid_y), image.columns.pixels(grid_x));
    const Real x = image.columns.source(grid_x);
    const Real y = image.rows.source(grid_y);
    return mode == nearest ? image.at(std::nearbyint(y), std::nearbyint(x)) : sample_bilinear(image, y, x);
}

// A position between pixels does not exist for integers, so that all modes give one pixel.
std::int64_t whole_sample(const Image& image, std::int64_t grid_x, std::int64_t grid_y) {
    const std::int32_t i = image.rows.whole_index(grid_y);
    const std::int32_t j = image.columns.whole_index(grid_x);
    return i < 0 || j < 0
               ? 0
               : load_one<std::int64_t>(*image.tensor, image.first + i * image.row_step + j * image.column_step);
}

// grid_sampler_2d(input [N, C, H, W], grid [N, h, w, 2], interpolation_mode, padding_mode, align_corners,
// out [N, C, h, w]).
Status grid_sampler(Args& args) {
    const Tensor& in = args.tensor(0);
    const Tensor& grid = args.tensor(1);
    const std::int64_t mode = args.integer(2);
    const std::int64_t padding = args.integer(3);
    const bool corners = args.boolean(4);
    Tensor& out = args.out(5);
    args.demand(in.dtype != DType::boolean && computes(in.dtype) && grid.dtype == in.dtype && out.dtype == in.dtype,
                "grid_sampler: wrong types");
    args.demand(mode >= bilinear && mode <= bicubic && padding >= zeros && padding <= reflection,
                "grid_sampler: no such mode");
    args.demand(in.rank == 4 && grid.rank == 4 && &out != &in && &out != &grid, "grid_sampler: wrong shapes");
    ETB_TRY(args.status);
    if (grid.sizes[0] != in.sizes[0] || grid.sizes[3] != 2 || in.sizes[2] < 1 || in.sizes[3] < 1)
        return error(Code::mismatch, "grid_sampler: wrong shapes");
    Dims sizes(in);
    sizes[2] = grid.sizes[1];
    sizes[3] = grid.sizes[2];
    ETB_TRY(resize(out, sizes));
    const Dims in_steps = strides(in);
    const Dims grid_steps = strides(grid);
    const Dims out_steps = strides(out);
    Image image{&in, 0, in_steps[2], in_steps[3], {}, {}};
    image.rows = {in.sizes[2], static_cast<Padding>(padding), corners};
    image.columns = {in.sizes[3], static_cast<Padding>(padding), corners};
    for (Place at(sizes); at.more(); at.next()) {
        const std::ptrdiff_t point = std::ptrdiff_t{at[0]} * grid_steps[0] + std::ptrdiff_t{at[2]} * grid_steps[1] +
                                     std::ptrdiff_t{at[3]} * grid_steps[2];
        image.first = std::ptrdiff_t{at[0]} * in_steps[0] + std::ptrdiff_t{at[1]} * in_steps[1];
        const std::ptrdiff_t to = at.offset(out_steps);
        if (!is_float(in.dtype)) {
            store_one(out, to,
                      whole_sample(image, load_one<std::int64_t>(grid, point),
                                   load_one<std::int64_t>(grid, point + grid_steps[3])));
            continue;
        }
        store_one(out, to,
                  sample(image, static_cast<Mode>(mode), load_one<Real>(grid, point),
                         load_one<Real>(grid, point + grid_steps[3])));
    }
    return {};
}

}  // namespace

ETB_KERNEL(grid_sampler_2d, "aten::grid_sampler_2d.out", grid_sampler);

}  // namespace etb
