// own::soft_clip.out (x, bound, out) and own::split_sign.out (x, out0, out1), float32.
#include "soft_clip.h"

#include "kernels/kernel.h"

namespace etb {
namespace {

Status soft_clip(Args& args) {
    const Tensor& x = args.tensor(0);
    const float bound = static_cast<float>(args.number(1));
    Tensor& out = args.out(2);
    args.demand(x.dtype == DType::f32 && out.dtype == DType::f32, "soft_clip takes float32");
    ETB_TRY(args.status);
    ETB_TRY(resize(out, Dims(x)));
    for (std::size_t i = 0; i < x.count(); ++i) out.as<float>()[i] = softly_clipped(x.as<float>()[i], bound);
    return {};
}

Status split_sign(Args& args) {
    const Tensor& x = args.tensor(0);
    Tensor* parts[] = {&args.out(1), &args.out(2)};
    args.demand(x.dtype == DType::f32, "split_sign takes float32");
    ETB_TRY(args.status);
    for (int side = 0; side < 2; ++side) {
        ETB_TRY(resize(*parts[side], Dims(x)));
        for (std::size_t i = 0; i < x.count(); ++i) {
            const float value = x.as<float>()[i];
            parts[side]->as<float>()[i] = (value > 0) == (side == 0) ? value : 0.0f;
        }
    }
    return {};
}

}  // namespace

ETB_KERNEL(soft_clip, "own::soft_clip.out", soft_clip);
ETB_KERNEL(split_sign, "own::split_sign.out", split_sign);

}  // namespace etb
