// The elements of a tensor of floating point, used like a pointer to Real: a pointer where float32 is the only such
// type, else an object that converts each element.
#pragma once

#include <type_traits>

#include "kernels/element.h"

namespace etb {

// Elements of any floating-point type, from an offset in elements on. Valid as long as the tensor.
class Elements {
public:
    class Element {
    public:
        Element(const Tensor* tensor, std::ptrdiff_t at) : tensor_(tensor), at_(at) {}
        Element(const Element&) = default;
        operator Real() const { return load_one<Real>(*tensor_, at_); }  // NOLINT: an element is a number
        Element& operator=(Real x) {
            store_one(*tensor_, at_, x);
            return *this;
        }
        Element& operator=(const Element& x) { return *this = static_cast<Real>(x); }

    private:
        const Tensor* tensor_;
        std::ptrdiff_t at_;
    };

    explicit Elements(const Tensor& tensor, std::ptrdiff_t first = 0) : tensor_(&tensor), first_(first) {}
    template <class Offset>
    Element operator[](Offset at) const {
        return {tensor_, first_ + static_cast<std::ptrdiff_t>(at)};
    }
    template <class Offset>
    Elements operator+(Offset by) const {
        return Elements(*tensor_, first_ + static_cast<std::ptrdiff_t>(by));
    }
    template <class Offset>
    Elements& operator+=(Offset by) {
        return *this = *this + by;
    }

private:
    const Tensor* tensor_;
    std::ptrdiff_t first_;
};

template <bool AllTypes>
struct RealsOf {
    using Type = Elements;
    using Const = Elements;
    static Type of(const Tensor& tensor) { return Elements(tensor); }
};
template <>
struct RealsOf<false> {
    using Type = float*;
    using Const = const float*;
    static Type of(const Tensor& tensor) { return tensor.as<float>(); }
};

using Reals = RealsOf<all_types>::Type;
using ConstReals = RealsOf<all_types>::Const;

// tensor: is_real.
inline Reals reals(const Tensor& tensor) { return RealsOf<all_types>::of(tensor); }

}  // namespace etb
