#include "kernels/value.h"

namespace etb {

Dims strides(const Tensor& tensor) {
    Dims steps;
    steps.rank = tensor.rank;
    std::uint32_t step = 1;  // may wrap when the tensor is empty
    for (int d = tensor.rank - 1; d >= 0; --d) {
        steps[tensor.order[d]] = static_cast<std::int32_t>(step);
        step *= static_cast<std::uint32_t>(tensor.sizes[tensor.order[d]]);
    }
    return steps;
}

Status resize(Tensor& tensor, const Dims& sizes) {
    if (sizes.rank != tensor.rank) return error(Code::mismatch, "result has another rank than its tensor", tensor.rank);
    bool same = true;
    std::uint64_t bytes = element_size(tensor.dtype);
    for (int d = 0; d < sizes.rank; ++d) {
        if (sizes[d] < 0)
            return error(Code::mismatch, "result would have a negative size in dimension",
                         static_cast<std::uint64_t>(d));
        same = same && sizes[d] == tensor.sizes[d];
        if (__builtin_mul_overflow(bytes, static_cast<std::uint64_t>(sizes[d]), &bytes))
            return error(Code::no_memory, "result is too large");
    }
    if (!same && !tensor.resizable)
        return error(Code::mismatch, "result has another shape than its tensor, which is static");
    if (bytes > tensor.capacity)
        return error(Code::no_memory, "result outgrows its memory by bytes", bytes - tensor.capacity);
    for (int d = 0; d < sizes.rank; ++d) tensor.sizes[d] = sizes[d];
    return {};
}

}  // namespace etb
