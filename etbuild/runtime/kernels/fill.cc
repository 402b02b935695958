#include "kernels/fill.h"

#include "kernels/lanes.h"

namespace etb {
namespace {

template <class Lane>
void fill_lanes(Lane value, const Tensor& out) {
    Lane lanes[most_lanes];
    for (Lane& lane : lanes) lane = value;
    const std::size_t count = out.count();
    for (std::size_t at = 0; at < count; at += most_lanes) {
        const std::size_t some = count - at < most_lanes ? count - at : most_lanes;
        store_lanes(out, static_cast<std::ptrdiff_t>(at), 1, static_cast<int>(some), lanes);
    }
}

}  // namespace

Status fill_with(Args& args, std::size_t i, const Tensor& out) {
    args.demand(computes(out.dtype), "no numbers of this type", static_cast<std::uint64_t>(out.dtype));
    const double value = args.number(i);
    const std::int64_t whole = args.is_float(i) ? 0 : args.integer(i);
    ETB_TRY(args.status);
    if (args.is_float(i) || is_float(out.dtype)) {
        fill_lanes(static_cast<Real>(value), out);
    } else {
        fill_lanes(whole, out);
    }
    return {};
}

Status fill_with(double value, const Tensor& out) {
    if (!computes(out.dtype))
        return error(Code::mismatch, "no numbers of this type", static_cast<std::uint64_t>(out.dtype));
    fill_lanes(static_cast<Real>(value), out);
    return {};
}

}  // namespace etb
