// Elements chosen by a mask or counted: aten::masked_select, masked_scatter, nonzero, repeat_interleave. The size of
// the result depends on the elements, up to the bound that its tensor was planned for. Tested by "mask" in
// test_portable_movement.py.
#include "kernels/element.h"

namespace etb {
namespace {

// The sizes of self and mask broadcast together, and their strides in it.
struct Pair {
    Dims sizes, in_steps, mask_steps;

    Pair(Args& args, const Tensor& in, const Tensor& mask) : sizes(broadcast_sizes(args, Dims(in), Dims(mask))) {
        in_steps = broadcast_strides(args, in, sizes);
        mask_steps = broadcast_strides(args, mask, sizes);
    }
};

Status check(Args& args, const Tensor& in, const Tensor& mask, const Tensor& out) {
    args.demand(mask.dtype == DType::boolean, "mask is not boolean");
    args.demand(in.dtype == out.dtype, "result has another type than its input");
    return args.status;
}

// masked_select(self, mask, out [n]): the elements where the mask is true, in row-major order.
Status masked_select(Args& args) {
    const Tensor& in = args.tensor(0);
    const Tensor& mask = args.tensor(1);
    Tensor& out = args.out(2);
    ETB_TRY(check(args, in, mask, out));
    const Pair before(args, in, mask);
    ETB_TRY(args.status);
    std::int64_t chosen = 0;
    for (Place place(before.sizes); place.more(); place.next())
        chosen += mask.data[place.offset(before.mask_steps)] != 0;
    Dims sizes;
    sizes.push(chosen > INT32_MAX ? INT32_MAX : chosen);
    ETB_TRY(resize(out, sizes));
    const Pair pair(args, in, mask);  // again: the result may be one of the two
    ETB_TRY(args.status);
    const std::ptrdiff_t count = out.sizes[0];
    std::ptrdiff_t to = 0;
    for (Place place(pair.sizes); place.more() && to < count; place.next())
        if (mask.data[place.offset(pair.mask_steps)]) copy_one(out, to++, in, place.offset(pair.in_steps));
    return {};
}

// masked_scatter(self, mask, source, out): self, and where the mask is true the next element of source.
Status masked_scatter(Args& args) {
    const Tensor& in = args.tensor(0);
    const Tensor& mask = args.tensor(1);
    const Tensor& source = args.tensor(2);
    Tensor& out = args.out(3);
    args.demand(source.dtype == in.dtype, "masked_scatter: source of another type");
    ETB_TRY(check(args, in, mask, out));
    const Dims sizes = broadcast_sizes(args, Dims(in), Dims(mask));
    ETB_TRY(args.status);
    ETB_TRY(resize(out, sizes));
    const Pair pair(args, in, mask);
    ETB_TRY(args.status);
    const Dims out_steps = strides(out);
    const Dims source_steps = strides(source);
    Place from{Dims(source)};
    for (Place place(pair.sizes); place.more(); place.next()) {
        const std::ptrdiff_t to = place.offset(out_steps);
        if (!mask.data[place.offset(pair.mask_steps)]) {
            copy_one(out, to, in, place.offset(pair.in_steps));
            continue;
        }
        if (!from.more()) return error(Code::mismatch, "masked_scatter: source has fewer elements than the mask");
        copy_one(out, to, source, from.offset(source_steps));
        from.next();
    }
    return {};
}

bool is_nonzero(const Tensor& tensor, std::ptrdiff_t at) {
    return is_float(tensor.dtype) ? load_one<Real>(tensor, at) != 0 : load_one<std::int64_t>(tensor, at) != 0;
}

// nonzero(self, out [n, rank]): the indices of the elements that are not 0, in row-major order. out: int64.
Status nonzero(Args& args) {
    const Tensor& in = args.tensor(0);
    Tensor& out = args.out(1);
    args.demand(computes(in.dtype) && out.dtype == DType::i64, "nonzero: wrong types");
    args.demand(&in != &out, "nonzero: result is its own input");
    ETB_TRY(args.status);
    const Dims steps = strides(in);
    const Dims shape(in);
    std::int64_t found = 0;
    for (Place place(shape); place.more(); place.next()) found += is_nonzero(in, place.offset(steps));
    Dims sizes;
    sizes.push(found > INT32_MAX ? INT32_MAX : found);
    sizes.push(in.rank);
    ETB_TRY(resize(out, sizes));
    const Dims out_steps = strides(out);
    const std::int32_t rows = out.sizes[0];
    std::int32_t row = 0;
    for (Place place(shape); place.more() && row < rows; place.next()) {
        if (!is_nonzero(in, place.offset(steps))) continue;
        for (int d = 0; d < in.rank; ++d)
            store_one(out, std::ptrdiff_t{row} * out_steps[0] + std::ptrdiff_t{d} * out_steps[1],
                      std::int64_t{place[d]});
        ++row;
    }
    return {};
}

// repeat_interleave(repeats [n], output_size or None, out): index i repeats[i] times. output_size: the sum of repeats.
Status repeat_interleave(Args& args) {
    const Tensor& repeats = args.tensor(0);
    const bool known = !args.is_null(1);
    const std::int64_t wanted = args.integer_or(1, 0);
    Tensor& out = args.out(2);
    args.demand(is_index(repeats) && repeats.rank == 1 && out.dtype == repeats.dtype,
                "repeat_interleave: wrong types or shapes");
    args.demand(&repeats != &out, "repeat_interleave: result is its own input");
    ETB_TRY(args.status);
    const std::int32_t count = repeats.sizes[0];
    std::int64_t sum = 0;
    for (std::int32_t i = 0; i < count; ++i) {
        const std::int64_t times = load_one<std::int64_t>(repeats, i);
        if (times < 0 || times > INT32_MAX - sum)
            return error(Code::mismatch, "repeat_interleave: wrong number of repeats",
                         static_cast<std::uint64_t>(times));
        sum += times;
    }
    if (known && wanted != sum) return error(Code::mismatch, "repeat_interleave: another sum of repeats than given");
    Dims sizes;
    sizes.push(sum);
    ETB_TRY(resize(out, sizes));
    std::ptrdiff_t to = 0;
    for (std::int32_t i = 0; i < count; ++i)
        for (std::int64_t left = load_one<std::int64_t>(repeats, i); left > 0 && to < sizes[0]; --left)
            store_one(out, to++, std::int64_t{i});
    return {};
}

}  // namespace

ETB_KERNEL(masked_select, "aten::masked_select.out", masked_select);
ETB_KERNEL(masked_scatter, "aten::masked_scatter.out", masked_scatter);
ETB_KERNEL(nonzero, "aten::nonzero.out", nonzero);
ETB_KERNEL(repeat_interleave, "aten::repeat_interleave.Tensor_out", repeat_interleave);

}  // namespace etb
