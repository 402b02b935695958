// Single elements of tensors, and a multi-index that counts through a shape. For operators that choose each element on
// its own; the others load rows (lanes.h).
#pragma once

#include <cstring>

#include "kernels/lanes.h"
#include "kernels/walk.h"

namespace etb {

// One element, converted as load_lanes and store_lanes do. at: offset in elements.
template <class Lane>
Lane load_one(const Tensor& from, std::ptrdiff_t at) {
    Lane lane{};
    load_lanes(from, at, 1, 1, &lane);
    return lane;
}
template <class Lane>
void store_one(const Tensor& to, std::ptrdiff_t at, Lane lane) {
    store_lanes(to, at, 1, 1, &lane);
}

// Copy one element of any type. Both tensors have the same type.
inline void copy_one(const Tensor& to, std::ptrdiff_t to_at, const Tensor& from, std::ptrdiff_t from_at) {
    const std::size_t size = element_size(to.dtype);
    std::memcpy(to.data + static_cast<std::size_t>(to_at) * size, from.data + static_cast<std::size_t>(from_at) * size,
                size);
}

// Read the index at offset `at` of a tensor of int32 or int64, and check it. wrap: a negative index counts from the
// end.
inline Status load_index(const Tensor& indices, std::ptrdiff_t at, std::int32_t size, bool wrap, std::int32_t& index) {
    std::int64_t wide = load_one<std::int64_t>(indices, at);
    if (wrap && wide < 0) wide += size;
    if (wide < 0 || wide >= size)
        return error(Code::out_of_bounds, "index outside its dimension", static_cast<std::uint64_t>(wide));
    index = static_cast<std::int32_t>(wide);
    return {};
}

inline bool is_index(const Tensor& tensor) { return tensor.dtype == DType::i64 || tensor.dtype == DType::i32; }

// All indices of a shape in row-major order:
//   for (Place place(sizes); place.more(); place.next()) use(place[0], place.offset(steps));
class Place {
public:
    explicit Place(const Dims& sizes) : sizes_(sizes) {
        index_.rank = sizes.rank;
        for (int d = 0; d < sizes.rank; ++d) more_ = more_ && sizes[d] > 0;
    }
    [[nodiscard]] bool more() const { return more_; }
    void next() {
        for (int d = sizes_.rank - 1; d >= 0; --d) {
            if (++index_[d] < sizes_[d]) return;
            index_[d] = 0;
        }
        more_ = false;
    }
    [[nodiscard]] std::int32_t operator[](int d) const { return index_[d]; }
    // The offset of the element in a view of the same rank with these strides.
    [[nodiscard]] std::ptrdiff_t offset(const Dims& steps) const {
        std::ptrdiff_t at = 0;
        for (int d = 0; d < sizes_.rank; ++d) at += std::ptrdiff_t{index_[d]} * steps[d];
        return at;
    }

private:
    Dims sizes_;
    Dims index_;
    bool more_ = true;
};

}  // namespace etb
