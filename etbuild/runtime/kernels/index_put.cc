// aten::index_put and index_put_: self with self[indices] = values, or += values. Tested by "index_put" in
// test_portable_movement.py.
#include "kernels/chosen.h"
#include "kernels/view.h"

namespace etb {
namespace {

template <class Lane>
void add_one(const Tensor& to, std::ptrdiff_t to_at, const Tensor& from, std::ptrdiff_t from_at) {
    store_one(to, to_at, plus(load_one<Lane>(to, to_at), load_one<Lane>(from, from_at)));
}

// out[indices] = values, broadcast to its shape. accumulate: += ; then an index that occurs twice is added twice.
Status put(Args& args, Tensor& out) {
    const Span<Value* const> list = args.tensors(1);
    const Tensor& values = args.tensor(2);
    const bool accumulate = args.boolean(3);
    args.demand(values.dtype == out.dtype, "index_put: values of another type");
    args.demand(!accumulate || computes(out.dtype), "index_put: no numbers of this type");
    ETB_TRY(args.status);
    Chosen chosen;
    ETB_TRY(Chosen::of(args, out, list, chosen));
    const Dims steps = broadcast_strides(args, values, chosen.sizes());
    ETB_TRY(args.status);
    for (Place place(chosen.sizes()); place.more(); place.next()) {
        std::ptrdiff_t to = 0;
        ETB_TRY(chosen.offset(place, to));
        const std::ptrdiff_t from = place.offset(steps);
        if (!accumulate) {
            copy_one(out, to, values, from);
        } else if (is_float(out.dtype)) {
            add_one<Real>(out, to, values, from);
        } else {
            add_one<std::int64_t>(out, to, values, from);
        }
    }
    return {};
}

// index_put(self, indices, values, accumulate, out).
Status index_put(Args& args) {
    const Tensor& in = args.tensor(0);
    Tensor& out = args.out(4);
    args.demand(in.dtype == out.dtype, "index_put: result has another type than its input");
    if (&in != &out) ETB_TRY(copy_to(args, View(in), out));
    return put(args, out);
}

// index_put_(self, indices, values, accumulate): in place.
Status index_put_in_place(Args& args) { return put(args, args.out(0)); }

}  // namespace

ETB_KERNEL(index_put, "aten::index_put.out", index_put);
ETB_KERNEL(index_put_in_place, "aten::index_put_", index_put_in_place);

}  // namespace etb
