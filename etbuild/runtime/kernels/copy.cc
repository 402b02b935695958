// Copies with another shape, type or dim_order: aten::view_copy, squeeze_copy, unsqueeze_copy, clone, _to_copy, copy,
// dim_order_ops, executorch_prim::et_view. Tested by "copy" in test_movement.py.
#include "kernels/layout.h"
#include "kernels/view.h"

namespace etb {
namespace {

// out = in with another shape and the same elements in row-major order. unsupported: a tensor is not contiguous.
Status reshape(Args& args, const Tensor& in, const Dims& sizes, Tensor& out) {
    ETB_TRY(args.status);
    ETB_TRY(resize(out, sizes));
    if (in.dtype != out.dtype || in.count() != out.count())
        return error(Code::mismatch, "view: result has another type or number of elements");
    const auto plain = [](const Tensor& tensor) {
        const Dims steps = strides(tensor);
        std::int32_t step = 1;
        for (int d = tensor.rank - 1; d >= 0; --d) {
            if (tensor.sizes[d] > 1 && steps[d] != step) return false;
            step *= tensor.sizes[d];
        }
        return true;
    };
    if (!plain(in) || !plain(out))
        return error(Code::unsupported, "view of a tensor that is not in plain memory order");
    if (in.data != out.data) std::memmove(out.data, in.data, in.bytes());
    return {};
}

// view_copy(self, size, out). One entry of `size` may be -1 and is then inferred.
Status view(Args& args) {
    const Tensor& in = args.tensor(0);
    Dims sizes = args.integers(1);
    Tensor& out = args.out(2);
    std::int64_t known = 1;
    bool fits = true;
    int unknown = -1;
    for (int d = 0; d < sizes.rank; ++d) {
        if (sizes[d] == -1) {
            unknown = d;
        } else {
            fits = fits && !__builtin_mul_overflow(known, std::int64_t{sizes[d]}, &known);
        }
    }
    if (unknown >= 0) {
        args.demand(fits && known > 0, "view: size of the free dimension is not known");
        if (fits && known > 0)
            sizes[unknown] = static_cast<std::int32_t>(static_cast<std::int64_t>(in.count()) / known);
    }
    return reshape(args, in, sizes, out);
}

// et_view(self, size, out): as view_copy, but an `out` without planned memory refers to the memory of `self`.
Status view_in_place(Args& args) {
    Tensor& in = args.tensor(0);
    Value& result = args.value(2);
    args.demand(result.type == ValueType::tensor, "not a tensor, argument", 2);
    ETB_TRY(args.status);
    Tensor& out = *result.tensor;
    if (!out.data || out.memory == Memory::borrowed) {
        out.data = in.data;
        out.capacity = in.capacity;
        out.memory = in.memory == Memory::constant ? Memory::constant : Memory::borrowed;
        if (out.memory == Memory::constant) {
            ETB_TRY(resize(out, args.integers(1)));
            return args.status;
        }
    }
    return view(args);
}

// squeeze_copy(self, dim or dims, out): removes the given dimensions that have size 1.
Status squeeze(Args& args) {
    const Tensor& in = args.tensor(0);
    const Dims chosen = args.integers(1);
    bool goes[max_rank] = {};
    for (int i = 0; i < chosen.rank; ++i) goes[args.dimension(chosen[i], in.rank)] = true;
    Dims sizes;
    for (int d = 0; d < in.rank; ++d)
        if (!goes[d] || in.sizes[d] != 1) sizes.push(in.sizes[d]);
    return reshape(args, in, sizes, args.out(2));
}

// unsqueeze_copy(self, dim, out): inserts a dimension of size 1.
Status unsqueeze(Args& args) {
    const Tensor& in = args.tensor(0);
    View view(in);
    view.insert(args.dimension(args.integer(1), in.rank + 1));
    return reshape(args, in, view.sizes, args.out(2));
}

// alias_copy, detach_copy, lift_fresh_copy, clone, _to_copy and their dim_order variants (self, ..., out): a copy in
// the type and dim_order of `out`; the arguments between are not read.
template <std::size_t OutIndex>
Status same_shape(Args& args) {
    const Tensor& in = args.tensor(0);
    return copy_to(args, View(in), args.out(OutIndex));
}

// copy(self, src, non_blocking, out): src broadcast to the shape of self. copy_ without `out` writes to argument 0.
Status copy_from(Args& args) {
    const Tensor& self = args.tensor(0);
    const Tensor& source = args.tensor(1);
    View view(source);
    view.sizes = Dims(self);
    view.steps = broadcast_strides(args, source, view.sizes);
    return copy_to(args, view, args.size() > 3 ? args.out(3) : args.out(0));
}

}  // namespace

ETB_KERNEL(view_copy, "aten::view_copy.out", view);
ETB_KERNEL(et_view, "executorch_prim::et_view.default", view_in_place);
ETB_KERNEL(squeeze_copy_dim, "aten::squeeze_copy.dim_out", squeeze);
ETB_KERNEL(squeeze_copy_dims, "aten::squeeze_copy.dims_out", squeeze);
ETB_KERNEL(unsqueeze_copy, "aten::unsqueeze_copy.out", unsqueeze);
ETB_KERNEL(alias_copy, "aten::alias_copy.out", same_shape<1>);
ETB_KERNEL(detach_copy, "aten::detach_copy.out", same_shape<1>);
ETB_KERNEL(lift_fresh_copy, "aten::lift_fresh_copy.out", same_shape<1>);
ETB_KERNEL(clone, "aten::clone.out", same_shape<2>);
ETB_KERNEL(to_copy, "aten::_to_copy.out", same_shape<3>);
ETB_KERNEL(to_dim_order_copy, "dim_order_ops::_to_dim_order_copy.out", same_shape<3>);
ETB_KERNEL(clone_dim_order, "dim_order_ops::_clone_dim_order.out", same_shape<3>);
ETB_KERNEL(copy, "aten::copy.out", copy_from);
ETB_KERNEL(copy_in_place, "aten::copy_", copy_from);

}  // namespace etb
