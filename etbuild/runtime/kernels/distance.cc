// aten::_cdist_forward and _pdist_forward: distances between rows, (sum_k |a[k] - b[k]|^p)^(1/p); for p = 0 the number
// of differences, for p = infinity the largest. Floats in contiguous memory order. Tested by "distance" in
// test_portable_numeric.py.
#include <cmath>

#include "kernels/element.h"
#include "kernels/layout.h"

namespace etb {
namespace {

// The distance of two rows of m elements, which begin at offsets i and j.
Real distance(const Tensor& a, std::ptrdiff_t i, const Tensor& b, std::ptrdiff_t j, std::int32_t m, double p) {
    Real sum = 0;
    for (std::int32_t k = 0; k < m; ++k) {
        const Real gap = std::fabs(load_one<Real>(a, i + k) - load_one<Real>(b, j + k));
        if (p == 0) {
            sum += gap == 0 ? 0 : 1;
        } else if (p == 1) {
            sum += gap;
        } else if (p == 2) {
            sum += gap * gap;
        } else if (std::isinf(p)) {
            sum = sum < gap ? gap : sum;
        } else {
            sum += std::pow(gap, static_cast<Real>(p));
        }
    }
    if (p == 2) return std::sqrt(sum);
    if (p == 0 || p == 1 || std::isinf(p)) return sum;
    return static_cast<Real>(std::pow(static_cast<double>(sum), 1.0 / p));
}

bool is_plain(const Tensor& tensor) {
    if (!is_float(tensor.dtype) || !computes(tensor.dtype)) return false;
    for (int d = 0; d < tensor.rank; ++d)
        if (tensor.order[d] != d) return false;
    return true;
}

// _pdist_forward(self [n, m], p, out [n (n - 1) / 2]): of each pair of rows i < j.
Status pdist(Args& args) {
    const Tensor& in = args.tensor(0);
    const double p = args.number(1);
    Tensor& out = args.out(2);
    args.demand(is_plain(in) && is_plain(out) && in.dtype == out.dtype && in.rank == 2, "pdist: wrong type or shape");
    args.demand(p >= 0, "distance of a negative order");
    ETB_TRY(args.status);
    const std::int64_t n = in.sizes[0];
    const std::int64_t pairs = n * (n - 1) / 2;
    if (pairs > INT32_MAX) return error(Code::mismatch, "pdist: result is too large");
    Dims sizes;
    sizes.push(pairs);
    const Dims shape(in);
    ETB_TRY(resize(out, sizes));
    std::ptrdiff_t to = 0;
    for (std::int32_t i = 0; i < shape[0]; ++i)
        for (std::int32_t j = i + 1; j < shape[0]; ++j)
            store_one(out, to++,
                      distance(in, std::ptrdiff_t{i} * shape[1], in, std::ptrdiff_t{j} * shape[1], shape[1], p));
    return {};
}

// The sizes of a tensor but the last two.
Dims batch(const Tensor& tensor) { return {tensor.sizes, tensor.rank - 2}; }

// The strides of a tensor's batch dimensions, broadcast to `to`.
Dims batch_steps(Args& args, const Tensor& tensor, const Dims& to) {
    Dims all = to;
    all.push(tensor.sizes[tensor.rank - 2]);
    all.push(tensor.sizes[tensor.rank - 1]);
    Dims steps = broadcast_strides(args, tensor, all);
    steps.rank = to.rank;
    return steps;
}

// _cdist_forward(x1 [.., P, M], x2 [.., R, M], p, compute_mode, out [.., P, R]), batches broadcast. compute_mode: how
// PyTorch computes it; 0 to 2 or None, and not read.
Status cdist(Args& args) {
    const Tensor& a = args.tensor(0);
    const Tensor& b = args.tensor(1);
    const double p = args.number(2);
    const std::int64_t mode = args.integer_or(3, 0);
    Tensor& out = args.out(4);
    args.demand(is_plain(a) && is_plain(b) && is_plain(out) && a.dtype == b.dtype && a.dtype == out.dtype &&
                    a.rank >= 2 && b.rank >= 2,
                "cdist: wrong types or shapes");
    args.demand(p >= 0 && mode >= 0 && mode <= 2, "cdist: wrong order or mode");
    ETB_TRY(args.status);
    const std::int32_t rows = a.sizes[a.rank - 2];
    const std::int32_t columns = b.sizes[b.rank - 2];
    Dims sizes = broadcast_sizes(args, batch(a), batch(b));
    ETB_TRY(args.status);
    if (out.rank != sizes.rank + 2) return error(Code::mismatch, "cdist: result has another rank");
    sizes.push(rows);
    sizes.push(columns);
    ETB_TRY(resize(out, sizes));
    const std::int32_t m = a.sizes[a.rank - 1];
    if (b.sizes[b.rank - 1] != m || a.sizes[a.rank - 2] != rows || b.sizes[b.rank - 2] != columns)
        return error(Code::mismatch, "cdist: rows of different lengths");
    if (out.count() == 0) return {};
    sizes.rank -= 2;
    const Dims a_steps = batch_steps(args, a, sizes);
    const Dims b_steps = batch_steps(args, b, sizes);
    ETB_TRY(args.status);
    std::ptrdiff_t to = 0;
    for (Place place(sizes); place.more(); place.next())
        for (std::int32_t i = 0; i < rows; ++i)
            for (std::int32_t j = 0; j < columns; ++j)
                store_one(out, to++,
                          distance(a, place.offset(a_steps) + std::ptrdiff_t{i} * m, b,
                                   place.offset(b_steps) + std::ptrdiff_t{j} * m, m, p));
    return {};
}

}  // namespace

ETB_KERNEL(cdist, "aten::_cdist_forward.out", cdist);
ETB_KERNEL(pdist, "aten::_pdist_forward.out", pdist);

}  // namespace etb
