// Advanced indexing: which elements of a tensor self[indices] are, as PyTorch defines it. For index.Tensor and
// index_put.
#pragma once

#include "kernels/element.h"

namespace etb {

// indices: one entry for each leading dimension of self: None, or a tensor of int32 or int64, broadcast together; or a
// mask of bool or uint8 with the shape of as many dimensions, which stands for the indices of its true elements. A
// negative index counts from the end.
class Chosen {
public:
    // `self` is the tensor that is indexed. All of it is read from the tensors as they are now.
    static Status of(Args& args, const Tensor& self, Span<Value* const> indices, Chosen& made);

    // The sizes of self[indices]. The broadcast shape of the indices replaces the indexed dimensions where they are
    // adjacent; otherwise it becomes the leading dimensions.
    [[nodiscard]] const Dims& sizes() const { return sizes_; }

    // The offset in `self` of the element of self[indices] at `place`. out_of_bounds: an index outside its dimension.
    Status offset(const Place& place, std::ptrdiff_t& at);

private:
    struct Entry {
        const Tensor* indices;
        int dim;               // the first dimension of self that it indexes
        bool mask;             // then it indexes indices->rank dimensions
        Dims shape;            // of the indices: for a mask, the number of true elements
        Dims steps;            // strides of `shape` in the broadcast shape; for a mask, in numbers of true elements
        std::int32_t found;    // of a mask: `place` is its true element of this number, or -1
        std::ptrdiff_t place;  // in row-major order
    };

    const Tensor* self_ = nullptr;
    Dims self_steps_;
    Dims sizes_;
    Dims shape_;               // the indices broadcast
    int first_ = -1;           // of sizes_, the first dimension that comes from shape_
    int kept_[max_rank] = {};  // of self, the dimensions that are not indexed
    int kept_count_ = 0;
    Entry entries_[max_rank] = {};
    int count_ = 0;

    Status read(Args& args, Span<Value* const> indices);
    Status add(const Tensor& indices, int dim);
    void place_dimensions(bool adjacent);
    Status find_true(Entry& entry, std::ptrdiff_t number);
};

}  // namespace etb
