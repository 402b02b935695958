// Tensor creation: aten::full, fill, zeros, ones, empty, scalar_tensor, arange. Tested by "create" in test_movement.py.
#include "kernels/fill.h"
#include "kernels/lanes.h"

namespace etb {
namespace {

// full(size, value, out): every element is `value`.
Status full(Args& args) {
    const Dims sizes = args.integers(0);
    Tensor& out = args.out(2);
    ETB_TRY(args.status);
    ETB_TRY(resize(out, sizes));
    return fill_with(args, 1, out);
}

// fill(self, value, out), full_like(self, value, memory_format, out): the shape of self, every element `value`.
template <std::size_t OutIndex>
Status full_like(Args& args) {
    const Tensor& like = args.tensor(0);
    Tensor& out = args.out(OutIndex);
    ETB_TRY(args.status);
    ETB_TRY(resize(out, Dims(like)));
    return fill_with(args, 1, out);
}

// zeros, ones (size, out), empty(size, memory_format, out). `empty` is filled with 0.
template <int Number, std::size_t OutIndex>
Status constant(Args& args) {
    const Dims sizes = args.integers(0);
    Tensor& out = args.out(OutIndex);
    ETB_TRY(args.status);
    ETB_TRY(resize(out, sizes));
    return fill_with(Number, out);
}

// scalar_tensor(value, out): a tensor without dimensions.
Status scalar_tensor(Args& args) {
    Tensor& out = args.out(1);
    ETB_TRY(args.status);
    ETB_TRY(resize(out, Dims()));
    return fill_with(args, 0, out);
}

// out[i] = start + i * step, for i in 0 .. ceil((end - start) / step) - 1. Computed in double precision, also for
// integer outputs.
Status sequence(Args& args, double start, double end, double step, Tensor& out) {
    ETB_TRY(args.status);
    if (!computes(out.dtype)) return error(Code::mismatch, "arange does not give this type");
    const double wanted = step != 0 ? (end - start) / step : -1;
    if (!(wanted >= 0) || wanted > INT32_MAX)
        return error(Code::mismatch, "arange: bounds and step do not fit together");
    auto count = static_cast<std::int32_t>(wanted);
    if (count < wanted) ++count;
    Dims sizes;
    sizes.push(count);
    ETB_TRY(resize(out, sizes));
    for (std::int32_t i = 0; i < count; ++i) {
        const double value = start + i * step;
        if (is_float(out.dtype)) {
            const auto lane = static_cast<Real>(value);
            store_lanes(out, i, 1, 1, &lane);
        } else {
            const auto lane = static_cast<std::int64_t>(value);
            store_lanes(out, i, 1, 1, &lane);
        }
    }
    return {};
}

// arange(end, out): 0, 1, ... below `end`.
Status arange(Args& args) { return sequence(args, 0, args.number(0), 1, args.out(1)); }

// arange(start, end, step, out).
Status arange_start(Args& args) { return sequence(args, args.number(0), args.number(1), args.number(2), args.out(3)); }

}  // namespace

ETB_KERNEL(full, "aten::full.out", full);
ETB_KERNEL(full_like, "aten::full_like.out", full_like<3>);
ETB_KERNEL(fill_scalar, "aten::fill.Scalar_out", full_like<2>);
ETB_KERNEL(zeros, "aten::zeros.out", constant<0, 1>);
ETB_KERNEL(ones, "aten::ones.out", constant<1, 1>);
ETB_KERNEL(empty, "aten::empty.out", constant<0, 2>);
ETB_KERNEL(empty_dim_order, "dim_order_ops::_empty_dim_order.out", constant<0, 2>);
ETB_KERNEL(scalar_tensor, "aten::scalar_tensor.out", scalar_tensor);
ETB_KERNEL(arange, "aten::arange.out", arange);
ETB_KERNEL(arange_start, "aten::arange.start_out", arange_start);

}  // namespace etb
