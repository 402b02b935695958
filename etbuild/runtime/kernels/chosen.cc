#include "kernels/chosen.h"

namespace etb {

Status Chosen::add(const Tensor& indices, int dim) {
    Entry& entry = entries_[count_++];
    entry.indices = &indices;
    entry.dim = dim;
    entry.found = -1;
    entry.mask = indices.dtype == DType::boolean || indices.dtype == DType::u8;
    entry.shape = Dims(indices);
    if (!entry.mask)
        return is_index(indices) ? Status()
                                 : error(Code::unsupported, "index: indices are neither integers nor a mask");
    if (indices.rank < 1 || indices.rank > self_->rank - dim)
        return error(Code::mismatch, "index: a mask with another shape than the tensor");
    for (int d = 0; d < indices.rank; ++d) {
        if (indices.sizes[d] != self_->sizes[dim + d])
            return error(Code::mismatch, "index: a mask with another shape than the tensor");
        if (indices.order[d] != d) return error(Code::unsupported, "index: a mask that is not in plain memory order");
    }
    std::int32_t chosen = 0;
    const std::size_t count = indices.count();
    for (std::size_t i = 0; i < count; ++i) chosen += indices.data[i] != 0;
    entry.shape = Dims(&chosen, 1);
    return {};
}

Status Chosen::read(Args& args, Span<Value* const> indices) {
    bool adjacent = true;
    int dim = 0;
    int next = -1;  // the dimension after the last indexed one
    for (std::size_t i = 0; i < indices.size; ++i) {
        if (dim >= self_->rank) return error(Code::mismatch, "index: more indices than dimensions");
        const Tensor* tensor = args.item(indices, i);
        if (!tensor) {
            kept_[kept_count_++] = dim++;
            continue;
        }
        ETB_TRY(add(*tensor, dim));
        const Entry& entry = entries_[count_ - 1];
        shape_ = broadcast_sizes(args, shape_, entry.shape);
        adjacent = adjacent && (next < 0 || next == dim);
        if (next < 0) first_ = dim;
        dim += entry.mask ? tensor->rank : 1;
        next = dim;
    }
    while (dim < self_->rank) kept_[kept_count_++] = dim++;
    ETB_TRY(args.status);
    if (kept_count_ + shape_.rank > max_rank) return error(Code::unsupported, "index: result has too many dimensions");
    place_dimensions(adjacent);
    return {};
}

void Chosen::place_dimensions(bool adjacent) {
    if (count_ == 0 || !adjacent) first_ = 0;
    for (int k = 0; k <= kept_count_; ++k) {
        if (k == first_)
            for (int i = 0; i < shape_.rank; ++i) sizes_.push(shape_[i]);
        if (k < kept_count_) sizes_.push(self_->sizes[kept_[k]]);
    }
}

Status Chosen::of(Args& args, const Tensor& self, Span<Value* const> indices, Chosen& made) {
    made = Chosen();
    made.self_ = &self;
    made.self_steps_ = strides(self);
    ETB_TRY(args.status);
    if (indices.size > self.rank) return error(Code::mismatch, "index: more indices than dimensions");
    ETB_TRY(made.read(args, indices));
    for (int e = 0; e < made.count_; ++e) {
        Entry& entry = made.entries_[e];
        if (!entry.mask) {
            entry.steps = broadcast_strides(args, *entry.indices, made.shape_);
            continue;
        }
        entry.steps.rank = made.shape_.rank;
        if (entry.shape[0] != 1) entry.steps[made.shape_.rank - 1] = 1;
    }
    return args.status;
}

// Searches on from the element that was found last, since most are asked for in order.
Status Chosen::find_true(Entry& entry, std::ptrdiff_t number) {
    const auto count = static_cast<std::ptrdiff_t>(entry.indices->count());
    if (entry.found < 0 || number < entry.found) {
        entry.found = -1;
        entry.place = -1;
    }
    while (entry.found < number) {
        do ++entry.place;
        while (entry.place < count && !entry.indices->data[entry.place]);
        if (entry.place >= count) return error(Code::out_of_bounds, "index: mask was changed while it was read");
        ++entry.found;
    }
    return {};
}

Status Chosen::offset(const Place& place, std::ptrdiff_t& at) {
    at = 0;
    for (int k = 0; k < kept_count_; ++k)
        at += std::ptrdiff_t{place[k < first_ ? k : k + shape_.rank]} * self_steps_[kept_[k]];
    for (int e = 0; e < count_; ++e) {
        Entry& entry = entries_[e];
        std::ptrdiff_t from = 0;
        for (int i = 0; i < shape_.rank; ++i) from += std::ptrdiff_t{place[first_ + i]} * entry.steps[i];
        if (!entry.mask) {
            std::int32_t index = 0;
            ETB_TRY(load_index(*entry.indices, from, self_->sizes[entry.dim], true, index));
            at += std::ptrdiff_t{index} * self_steps_[entry.dim];
            continue;
        }
        ETB_TRY(find_true(entry, from));
        std::ptrdiff_t rest = entry.place;
        for (int d = entry.indices->rank - 1; d >= 0; --d) {
            const std::int32_t size = self_->sizes[entry.dim + d];
            at += rest % size * self_steps_[entry.dim + d];
            rest /= size;
        }
    }
    return {};
}

}  // namespace etb
