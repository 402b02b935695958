// aten::reflection_pad1d to 3d and replication_pad1d to 3d: outside the input, its elements mirrored at the edge, or
// its edge. A negative padding cuts elements off. Elements of any type are only copied. Tested by "pad" in
// test_portable_movement.py.
#include "kernels/element.h"

namespace etb {
namespace {

// Reflection: the edge is not repeated, so a padding is less than the size. Returns the input position of output
// position `at`, which counts from the first input element.
template <bool Reflection>
std::int64_t source(std::int64_t at, std::int64_t size) {
    if (!Reflection) return at < 0 ? 0 : at < size ? at : size - 1;
    if (at < 0) at = -at;
    return at < size ? at : 2 * (size - 1) - at;
}

// pad(self [C, ..] or [N, C, ..], padding, out). padding: before and after, for each of the last Rank dimensions, the
// last dimension first.
template <int Rank, bool Reflection>
Status pad(Args& args) {
    const Tensor& in = args.tensor(0);
    const Dims padding = args.integers(1);
    Tensor& out = args.out(2);
    args.demand(padding.rank == 2 * Rank && (in.rank == Rank + 1 || in.rank == Rank + 2),
                "pad: wrong shape or padding");
    args.demand(in.dtype == out.dtype && &in != &out, "pad: result has another type, or is its own input");
    ETB_TRY(args.status);
    Dims sizes(in);
    std::int32_t before[max_rank] = {};
    for (int i = 0; i < Rank; ++i) {
        const int d = in.rank - 1 - i;
        const std::int32_t left = padding[2 * i];
        const std::int32_t right = padding[2 * i + 1];
        const std::int64_t size = std::int64_t{in.sizes[d]} + left + right;
        if (size < 0 || size > INT32_MAX || (in.sizes[d] == 0 && size > 0) ||
            (Reflection && (left >= in.sizes[d] || right >= in.sizes[d])))
            return error(Code::mismatch, "pad: wrong padding", static_cast<std::uint64_t>(d));
        before[d] = left;
        sizes[d] = static_cast<std::int32_t>(size);
    }
    ETB_TRY(resize(out, sizes));
    const Dims from_steps = strides(in);
    const Dims to_steps = strides(out);
    for (Place place(sizes); place.more(); place.next()) {
        std::ptrdiff_t from = 0;
        for (int d = 0; d < in.rank; ++d) {
            const std::int64_t at = std::int64_t{place[d]} - before[d];
            from += static_cast<std::ptrdiff_t>(source<Reflection>(at, in.sizes[d])) * from_steps[d];
        }
        copy_one(out, place.offset(to_steps), in, from);
    }
    return {};
}

}  // namespace

ETB_KERNEL(reflection_pad1d, "aten::reflection_pad1d.out", pad<1, true>);
ETB_KERNEL(reflection_pad2d, "aten::reflection_pad2d.out", pad<2, true>);
ETB_KERNEL(reflection_pad3d, "aten::reflection_pad3d.out", pad<3, true>);
ETB_KERNEL(replication_pad1d, "aten::replication_pad1d.out", pad<1, false>);
ETB_KERNEL(replication_pad2d, "aten::replication_pad2d.out", pad<2, false>);
ETB_KERNEL(replication_pad3d, "aten::replication_pad3d.out", pad<3, false>);

}  // namespace etb
