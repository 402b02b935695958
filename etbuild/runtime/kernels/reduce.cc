#include "kernels/reduce.h"

namespace etb {

Status Reduction::of(Args& args, const Tensor& in, const Dims& dims, bool keep, Tensor& out, Reduction& made) {
    ETB_TRY(args.status);
    if (!computes(in.dtype) || !computes(out.dtype))
        return error(Code::mismatch, "reduction does not compute with this type", static_cast<std::uint64_t>(in.dtype));
    bool goes[max_rank] = {};
    for (int i = 0; i < dims.rank; ++i) goes[args.dimension(dims[i], in.rank)] = true;
    ETB_TRY(args.status);
    const Dims steps = strides(in);
    Dims sizes;
    made = Reduction();
    made.in = &in;
    made.out = &out;
    for (int d = 0; d < in.rank; ++d) {
        if (dims.rank == 0 || goes[d]) {
            made.gone_sizes.push(in.sizes[d]);
            made.gone_steps.push(steps[d]);
            made.length *= static_cast<std::size_t>(in.sizes[d]);
            if (keep) sizes.push(1);
        } else {
            made.kept_sizes.push(in.sizes[d]);
            made.kept_steps.push(steps[d]);
            sizes.push(in.sizes[d]);
        }
    }
    ETB_TRY(resize(out, sizes));
    const Dims all = strides(out);
    for (int d = 0, o = 0; d < in.rank; ++d) {
        const bool gone = dims.rank == 0 || goes[d];
        if (!gone) made.out_steps.push(all[o]);
        if (!gone || keep) ++o;
    }
    return {};
}

}  // namespace etb
