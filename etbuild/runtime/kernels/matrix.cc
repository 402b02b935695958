// Matrix products (aten::mm, bmm, addmm, linear): out[m, n] = sum_k a[m, k] b[k, n], summed in the order of k, in
// float32 or in int64 that wraps. Tested by "matrix" in test_linear.py.
#include <initializer_list>

#include "kernels/lanes.h"
#include "kernels/view.h"

namespace etb {
namespace {

// Operands as views of two dimensions: a [M, K], b [K, N], out [M, N]. With an addend [M, N],
// out = beta * addend + alpha * (a b); without, out = a b.
struct Product {
    View a, b, out;
    const View* addend = nullptr;
    double alpha = 1;
    double beta = 1;
};

template <class Lane>
void multiply(const Product& work) {
    Lane sums[most_lanes];
    Lane row[most_lanes];
    const std::int32_t columns = work.out.sizes[1];
    for (std::int32_t m = 0; m < work.out.sizes[0]; ++m)
        for (std::int32_t first = 0; first < columns; first += most_lanes) {
            const int count = columns - first < most_lanes ? columns - first : most_lanes;
            for (int i = 0; i < count; ++i) sums[i] = 0;
            for (std::int32_t k = 0; k < work.a.sizes[1]; ++k) {
                Lane factor;
                load_lanes(*work.a.tensor,
                           work.a.first + std::ptrdiff_t{m} * work.a.steps[0] + std::ptrdiff_t{k} * work.a.steps[1], 1,
                           1, &factor);
                load_lanes(*work.b.tensor,
                           work.b.first + std::ptrdiff_t{k} * work.b.steps[0] + std::ptrdiff_t{first} * work.b.steps[1],
                           work.b.steps[1], count, row);
                for (int i = 0; i < count; ++i) sums[i] = plus(sums[i], times(factor, row[i]));
            }
            if (work.addend) {
                load_lanes(*work.addend->tensor,
                           work.addend->first + std::ptrdiff_t{m} * work.addend->steps[0] +
                               std::ptrdiff_t{first} * work.addend->steps[1],
                           work.addend->steps[1], count, row);
                for (int i = 0; i < count; ++i)
                    sums[i] = plus(times(static_cast<Lane>(work.alpha), sums[i]),
                                   times(static_cast<Lane>(work.beta), row[i]));
            }
            store_lanes(
                *work.out.tensor,
                work.out.first + std::ptrdiff_t{m} * work.out.steps[0] + std::ptrdiff_t{first} * work.out.steps[1],
                work.out.steps[1], count, sums);
        }
}

Status multiply(const Product& work) {
    const DType type = work.out.tensor->dtype;
    if (work.a.tensor->dtype != type || work.b.tensor->dtype != type || !computes(type))
        return error(Code::mismatch, "matrix product of different types");
    if (work.out.sizes[0] == 0 || work.out.sizes[1] == 0) return {};
    if (is_float(type)) {
        multiply<Real>(work);
    } else {
        multiply<std::int64_t>(work);
    }
    return {};
}

Status check(Args& args, const Tensor& a, const Tensor& b, int rank) {
    ETB_TRY(args.status);
    if (a.rank != rank || b.rank != rank || a.sizes[rank - 1] != b.sizes[rank - 2])
        return error(Code::mismatch, "matrix product: shapes do not fit together");
    return {};
}

// mm(a [M, K], b [K, N], out [M, N]).
Status mm(Args& args) {
    const Tensor& a = args.tensor(0);
    const Tensor& b = args.tensor(1);
    Tensor& out = args.out(2);
    ETB_TRY(check(args, a, b, 2));
    Dims sizes(a);
    sizes[1] = b.sizes[1];
    ETB_TRY(resize(out, sizes));
    return multiply(Product{View(a), View(b), View(out)});
}

// bmm(a [B, M, K], b [B, K, N], out [B, M, N]).
Status bmm(Args& args) {
    const Tensor& a = args.tensor(0);
    const Tensor& b = args.tensor(1);
    Tensor& out = args.out(2);
    ETB_TRY(check(args, a, b, 3));
    if (a.sizes[0] != b.sizes[0]) return error(Code::mismatch, "matrix product: different numbers of matrices");
    Dims sizes(a);
    sizes[2] = b.sizes[2];
    ETB_TRY(resize(out, sizes));
    if (out.count() == 0) return {};
    for (std::int32_t i = 0; i < a.sizes[0]; ++i) {
        Product work{View(a), View(b), View(out)};
        for (View* view : {&work.a, &work.b, &work.out}) {
            view->narrow(0, i, 1);
            view->drop(0);
        }
        ETB_TRY(multiply(work));
    }
    return {};
}

// addmm(self, a [M, K], b [K, N], beta, alpha, out [M, N]): beta * self + alpha * (a b), self broadcast to [M, N].
Status addmm(Args& args) {
    const Tensor& self = args.tensor(0);
    const Tensor& a = args.tensor(1);
    const Tensor& b = args.tensor(2);
    Tensor& out = args.out(5);
    ETB_TRY(check(args, a, b, 2));
    Dims sizes(a);
    sizes[1] = b.sizes[1];
    View addend(self);
    addend.sizes = sizes;
    addend.steps = broadcast_strides(args, self, sizes);
    Product work{View(a), View(b), {}, &addend, args.number(4), args.number(3)};
    args.demand(self.dtype == out.dtype, "matrix product of different types");
    ETB_TRY(args.status);
    ETB_TRY(resize(out, sizes));
    work.out = View(out);
    return multiply(work);
}

// linear(in [.., K], weight [N, K], bias [N] or None, out [.., N]): in weight^T + bias. Contiguous memory order only.
Status linear(Args& args) {
    const Tensor& in = args.tensor(0);
    const Tensor& weight = args.tensor(1);
    const Tensor* bias = args.optional_tensor(2);
    Tensor& out = args.out(3);
    ETB_TRY(args.status);
    if (in.rank < 1 || weight.rank != 2 || in.sizes[in.rank - 1] != weight.sizes[1] ||
        (bias && (bias->rank != 1 || bias->sizes[0] != weight.sizes[0] || bias->dtype != out.dtype)))
        return error(Code::mismatch, "linear: shapes do not fit together");
    Dims sizes(in);
    sizes[in.rank - 1] = weight.sizes[0];
    ETB_TRY(resize(out, sizes));
    for (int d = 0; d < in.rank; ++d)
        if (in.order[d] != d || out.order[d] != d) return error(Code::unsupported, "linear: not in plain memory order");
    const auto flat = [](const Tensor& tensor) {
        const std::int32_t columns = tensor.sizes[tensor.rank - 1];
        View view(tensor);
        view.sizes.rank = view.steps.rank = 2;
        view.sizes[0] = columns ? static_cast<std::int32_t>(tensor.count()) / columns : 0;
        view.sizes[1] = columns;
        view.steps[0] = columns;
        view.steps[1] = 1;
        return view;
    };
    Product work{flat(in), View(weight), flat(out)};
    work.b.swap(0, 1);
    View addend;
    if (bias) {
        addend = View(*bias);
        addend.insert(0, work.out.sizes[0]);
        work.addend = &addend;
    }
    return multiply(work);
}

}  // namespace

ETB_KERNEL(mm, "aten::mm.out", mm);
ETB_KERNEL(bmm, "aten::bmm.out", bmm);
ETB_KERNEL(addmm, "aten::addmm.out", addmm);
ETB_KERNEL(linear, "aten::linear.out", linear);

}  // namespace etb
