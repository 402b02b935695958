// aten::fill.Tensor: every element is the one element of another tensor. Tested by "rearrange" in
// test_portable_movement.py.
#include "kernels/view.h"

namespace etb {
namespace {

// fill(self, value, out): the shape of self. value: a tensor with one element, converted to the type of `out`.
Status fill(Args& args) {
    const Tensor& like = args.tensor(0);
    View view(args.tensor(1));
    Tensor& out = args.out(2);
    args.demand(view.tensor->count() == 1, "fill: not a tensor of one number");
    args.demand(view.tensor != &out, "fill: result is its own value");
    view.sizes = Dims(like);
    view.steps = Dims();
    view.steps.rank = view.sizes.rank;
    return copy_to(args, view, out);
}

}  // namespace

ETB_KERNEL(fill_tensor, "aten::fill.Tensor_out", fill);

}  // namespace etb
