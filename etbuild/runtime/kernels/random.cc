// Random numbers: aten::rand, randn, native_dropout. The generator is splitmix64. Each call begins a sequence of its
// own; the sequences are the same whenever a program is started, so that a run can be repeated. They are not for
// cryptography. Tested by "random" in test_portable_numeric.py.
#include <cmath>

#include "kernels/element.h"
#include "kernels/view.h"

namespace etb {
namespace {

class Generator {
public:
    Generator() {
        static std::uint32_t calls = 0;
        state_ = std::uint64_t{++calls} << 32;
        state_ = next();
    }
    std::uint64_t next() {
        std::uint64_t x = state_ += 0x9E3779B97F4A7C15;
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
        return x ^ (x >> 31);
    }
    // 0 <= x < 1, with `bits` random bits.
    Real uniform(int bits) {
        return std::ldexp(static_cast<Real>(static_cast<std::int64_t>(next() >> (64 - bits))), -bits);
    }

private:
    std::uint64_t state_;
};

// Bits of the mantissa, so that no number is rounded up to 1.
int precision(DType type) { return type == DType::f64 ? 53 : type == DType::f32 ? 24 : type == DType::f16 ? 11 : 8; }

Status check(Args& args, const Tensor& out) {
    args.demand(is_float(out.dtype) && computes(out.dtype), "random numbers are floats");
    return args.status;
}

// rand(size, out): uniform, 0 <= x < 1.
Status rand(Args& args) {
    const Dims sizes = args.integers(0);
    Tensor& out = args.out(1);
    ETB_TRY(check(args, out));
    ETB_TRY(resize(out, sizes));
    Generator generator;
    const auto count = static_cast<std::ptrdiff_t>(out.count());
    for (std::ptrdiff_t i = 0; i < count; ++i) store_one(out, i, generator.uniform(precision(out.dtype)));
    return {};
}

// randn(size, out): normal with mean 0 and variance 1, by the method of Box and Muller.
Status randn(Args& args) {
    const Dims sizes = args.integers(0);
    Tensor& out = args.out(1);
    ETB_TRY(check(args, out));
    ETB_TRY(resize(out, sizes));
    Generator generator;
    const auto count = static_cast<std::ptrdiff_t>(out.count());
    for (std::ptrdiff_t i = 0; i < count; ++i) {
        const Real radius = std::sqrt(-2 * std::log(1 - generator.uniform(24)));
        const Real angle = static_cast<Real>(6.283185307179586) * generator.uniform(24);
        store_one(out, i, radius * std::cos(angle));
    }
    return {};
}

// native_dropout(self, p, train or None, out, mask): each element is 0 with probability p, else divided by 1 - p; mask
// is true where it is kept. Not in training: a copy.
Status dropout(Args& args) {
    const Tensor& in = args.tensor(0);
    const double p = args.number(1);
    const bool train = args.is_null(2) || args.boolean(2);
    Tensor& out = args.out(3);
    Tensor& mask = args.out(4);
    args.demand(in.dtype == out.dtype && mask.dtype == DType::boolean, "dropout: wrong types");
    args.demand(p >= 0 && p <= 1, "dropout: not a probability");
    ETB_TRY(check(args, in));
    ETB_TRY(copy_to(args, View(in), out));
    ETB_TRY(resize(mask, Dims(out)));
    const Dims steps[] = {strides(out), strides(mask)};
    const Real scale = p < 1 ? static_cast<Real>(1.0 / (1.0 - p)) : Real{0};
    Generator generator;
    for (Place place(Dims{out}); place.more(); place.next()) {
        const bool kept = !train || generator.uniform(24) >= static_cast<Real>(p);
        mask.data[place.offset(steps[1])] = kept;
        const std::ptrdiff_t at = place.offset(steps[0]);
        if (train) store_one(out, at, kept ? load_one<Real>(out, at) * scale : Real{0});
    }
    return {};
}

}  // namespace

ETB_KERNEL(rand, "aten::rand.out", rand);
ETB_KERNEL(randn, "aten::randn.out", randn);
ETB_KERNEL(native_dropout, "aten::native_dropout.out", dropout);

}  // namespace etb
