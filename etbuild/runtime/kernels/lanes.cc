#include "kernels/lanes.h"

#include "kernels/small_float.h"

namespace etb {
namespace {

// The storage type of bool tensors.
struct Boolean {
    std::uint8_t byte;
};

template <class T>
T widen(T x) {
    return x;
}
inline int widen(Boolean x) { return x.byte != 0; }
template <class Format>
float widen(SmallFloat<Format> x) {
    return x.value();
}

// Elements of uint64. The conversion to floating point avoids libgcc's, which brings functions that port/cortex_m
// defines.
struct Unsigned64 {
    std::uint64_t number;

    explicit operator std::int64_t() const { return static_cast<std::int64_t>(number); }
    explicit operator double() const {
        return static_cast<double>(static_cast<std::uint32_t>(number >> 32)) * 4294967296.0 +
               static_cast<double>(static_cast<std::uint32_t>(number));
    }
    explicit operator float() const { return static_cast<float>(static_cast<double>(*this)); }
};

template <class T>
inline constexpr DType stored_as = type_of<T>;
template <>
inline constexpr DType stored_as<Boolean> = DType::boolean;
template <>
inline constexpr DType stored_as<SmallFloat<Binary16>> = DType::f16;
template <>
inline constexpr DType stored_as<SmallFloat<Bfloat16>> = DType::bf16;
template <>
inline constexpr DType stored_as<Unsigned64> = DType::u64;

template <class To, class From>
struct Narrow {
    static To of(From x) { return static_cast<To>(x); }
};
template <class From>
struct Narrow<Boolean, From> {
    static Boolean of(From x) { return {static_cast<std::uint8_t>(x != From{})}; }
};
template <>
struct Narrow<std::int64_t, float> {
    static std::int64_t of(float x) { return truncate(x); }
};
template <>
struct Narrow<std::int64_t, double> {
    static std::int64_t of(double x) { return truncate(x); }
};
template <class Format, class From>
struct Narrow<SmallFloat<Format>, From> {
    static SmallFloat<Format> of(From x) { return SmallFloat<Format>::of(static_cast<double>(x)); }
};

template <class T, class Lane>
void load_as(const Tensor& from, std::ptrdiff_t at, std::ptrdiff_t step, int count, Lane* to) {
    if constexpr (!is_built(stored_as<T>)) return;  // the program has no such tensor: Method::load has checked it
    const T* first = from.as<T>() + at;
    if (step == 1) {
        for (int i = 0; i < count; ++i) to[i] = static_cast<Lane>(widen(first[i]));
    } else {
        for (int i = 0; i < count; ++i) to[i] = static_cast<Lane>(widen(first[i * step]));
    }
}

template <class T, class Lane>
void store_as(const Tensor& to, std::ptrdiff_t at, std::ptrdiff_t step, int count, const Lane* from) {
    if constexpr (!is_built(stored_as<T>)) return;
    T* first = to.as<T>() + at;
    for (int i = 0; i < count; ++i) first[i * step] = Narrow<T, Lane>::of(from[i]);
}

// The types that only a build with all_types has.
template <class Lane>
void load_other(const Tensor& from, std::ptrdiff_t at, std::ptrdiff_t step, int count, Lane* to) {
    switch (from.dtype) {
        case DType::f16:
            return load_as<SmallFloat<Binary16>>(from, at, step, count, to);
        case DType::bf16:
            return load_as<SmallFloat<Bfloat16>>(from, at, step, count, to);
        case DType::u16:
            return load_as<std::uint16_t>(from, at, step, count, to);
        case DType::u32:
            return load_as<std::uint32_t>(from, at, step, count, to);
        case DType::u64:
            return load_as<Unsigned64>(from, at, step, count, to);
        default:
            return;
    }
}
template <class Lane>
void store_other_real(const Tensor& to, std::ptrdiff_t at, std::ptrdiff_t step, int count, const Lane* from) {
    switch (to.dtype) {
        case DType::f16:
            return store_as<SmallFloat<Binary16>>(to, at, step, count, from);
        case DType::bf16:
            return store_as<SmallFloat<Bfloat16>>(to, at, step, count, from);
        case DType::f64:
            return store_as<double>(to, at, step, count, from);
        default:
            return;
    }
}
template <class Lane>
void store_other(const Tensor& to, std::ptrdiff_t at, std::ptrdiff_t step, int count, const Lane* from) {
    switch (to.dtype) {
        case DType::u16:
            return store_as<std::uint16_t>(to, at, step, count, from);
        case DType::u32:
            return store_as<std::uint32_t>(to, at, step, count, from);
        case DType::u64:
            return store_as<std::uint64_t>(to, at, step, count, from);
        default:
            return store_other_real(to, at, step, count, from);
    }
}

template <class Lane>
void load_any(const Tensor& from, std::ptrdiff_t at, std::ptrdiff_t step, int count, Lane* to) {
    switch (from.dtype) {
        case DType::u8:
            return load_as<std::uint8_t>(from, at, step, count, to);
        case DType::i8:
            return load_as<std::int8_t>(from, at, step, count, to);
        case DType::i16:
            return load_as<std::int16_t>(from, at, step, count, to);
        case DType::i32:
            return load_as<std::int32_t>(from, at, step, count, to);
        case DType::i64:
            return load_as<std::int64_t>(from, at, step, count, to);
        case DType::boolean:
            return load_as<Boolean>(from, at, step, count, to);
        default:
            break;
    }
    if constexpr (all_types) load_other(from, at, step, count, to);
}

template <class Lane>
void store_integers(const Tensor& to, std::ptrdiff_t at, std::ptrdiff_t step, int count, const Lane* from) {
    switch (to.dtype) {
        case DType::u8:
            return store_as<std::uint8_t>(to, at, step, count, from);
        case DType::i8:
            return store_as<std::int8_t>(to, at, step, count, from);
        case DType::i16:
            return store_as<std::int16_t>(to, at, step, count, from);
        case DType::i32:
            return store_as<std::int32_t>(to, at, step, count, from);
        case DType::i64:
            return store_as<std::int64_t>(to, at, step, count, from);
        case DType::f32:
            return store_as<float>(to, at, step, count, from);
        default:
            break;
    }
    if constexpr (all_types) store_other(to, at, step, count, from);
}

}  // namespace

bool computes(DType type) {
    if constexpr (all_types) return element_size(type) != 0;
    return type == DType::f32 || (!is_float(type) && element_size(type) != 0);
}

std::int64_t truncate(float x) {
    if (x >= 9223372036854775808.0f) return INT64_MAX;
    if (x <= -9223372036854775808.0f) return INT64_MIN;
    return x == x ? static_cast<std::int64_t>(x) : 0;
}

std::int64_t truncate(double x) {
    if (x >= 9223372036854775808.0) return INT64_MAX;
    if (x <= -9223372036854775808.0) return INT64_MIN;
    return x == x ? static_cast<std::int64_t>(x) : 0;
}

void load_lanes(const Tensor& from, std::ptrdiff_t at, std::ptrdiff_t step, int count, float* to) {
    if (from.dtype == DType::f32) return load_as<float>(from, at, step, count, to);
    if (from.dtype == DType::f64) return load_as<double>(from, at, step, count, to);
    load_any(from, at, step, count, to);
}

void load_lanes(const Tensor& from, std::ptrdiff_t at, std::ptrdiff_t step, int count, double* to) {
    if (from.dtype == DType::f32) return load_as<float>(from, at, step, count, to);
    if (from.dtype == DType::f64) return load_as<double>(from, at, step, count, to);
    load_any(from, at, step, count, to);
}

void load_lanes(const Tensor& from, std::ptrdiff_t at, std::ptrdiff_t step, int count, std::int64_t* to) {
    load_any(from, at, step, count, to);
}

void store_lanes(const Tensor& to, std::ptrdiff_t at, std::ptrdiff_t step, int count, const float* from) {
    if (to.dtype == DType::f32) return store_as<float>(to, at, step, count, from);
    if (to.dtype == DType::boolean) return store_as<Boolean>(to, at, step, count, from);
    if (all_types && is_float(to.dtype)) return store_other_real(to, at, step, count, from);
    std::int64_t whole[most_lanes];
    for (int i = 0; i < count; ++i) whole[i] = truncate(from[i]);
    store_integers(to, at, step, count, whole);
}

void store_lanes(const Tensor& to, std::ptrdiff_t at, std::ptrdiff_t step, int count, const double* from) {
    if (to.dtype == DType::f32) return store_as<float>(to, at, step, count, from);
    if (to.dtype == DType::boolean) return store_as<Boolean>(to, at, step, count, from);
    if (all_types && is_float(to.dtype)) return store_other_real(to, at, step, count, from);
    std::int64_t whole[most_lanes];
    for (int i = 0; i < count; ++i) whole[i] = truncate(from[i]);
    store_integers(to, at, step, count, whole);
}

void store_lanes(const Tensor& to, std::ptrdiff_t at, std::ptrdiff_t step, int count, const std::int64_t* from) {
    if (to.dtype == DType::boolean) return store_as<Boolean>(to, at, step, count, from);
    store_integers(to, at, step, count, from);
}

}  // namespace etb
