// The values that instructions operate on: tensors, scalars, strings and lists. Nothing here owns memory.
#pragma once

#include "base/span.h"
#include "pte/program.h"

namespace etb {

constexpr bool is_float(DType type) {
    return type == DType::f32 || type == DType::f64 || type == DType::f16 || (all_types && type == DType::bf16);
}

constexpr int max_rank = 8;

// Where a tensor's data is stored. planned: in memory-planned buffers. constant: in the program, read-only. callers: in
// a buffer of the caller. borrowed: in another tensor's memory, until the next run (executorch_prim::et_view).
enum class Memory : std::uint8_t { planned, constant, callers, borrowed };

// A dense tensor. `order` is ExecuTorch's dim_order: order[0] is the outermost dimension in memory, order[rank - 1] the
// innermost.
struct Tensor {
    DType dtype = DType::u8;
    std::uint8_t rank = 0;
    Memory memory = Memory::callers;
    bool resizable = false;  // the shape may change while the elements fit into `capacity`
    std::int32_t* sizes = nullptr;
    const std::uint8_t* order = nullptr;
    std::uint8_t* data = nullptr;
    std::size_t capacity = 0;  // bytes available at `data`

    [[nodiscard]] std::size_t count() const {
        std::size_t product = 1;
        for (int d = 0; d < rank; ++d) product *= static_cast<std::size_t>(sizes[d]);
        return product;
    }
    [[nodiscard]] std::size_t bytes() const { return count() * element_size(dtype); }

    template <class T>
    [[nodiscard]] T* as() const {
        return reinterpret_cast<T*>(data);
    }
};

// Sizes, strides or indices of a tensor, by value.
struct Dims {
    std::int32_t at[max_rank] = {};
    int rank = 0;

    Dims() = default;
    Dims(const std::int32_t* first, int count) : rank(count) {
        for (int d = 0; d < count; ++d) at[d] = first[d];
    }
    explicit Dims(const Tensor& tensor) : Dims(tensor.sizes, tensor.rank) {}

    std::int32_t& operator[](int d) { return at[d]; }
    std::int32_t operator[](int d) const { return at[d]; }
    void push(std::int64_t size) {
        if (rank < max_rank) at[rank++] = static_cast<std::int32_t>(size);
    }
};

// The stride of each dimension, in elements.
Dims strides(const Tensor& tensor);

// Set the sizes of `tensor`. mismatch: another rank, a negative size, or another shape of a static tensor. no_memory:
// the data does not fit; Status.number is the number of missing bytes.
Status resize(Tensor& tensor, const Dims& sizes);

// One entry of a method's value table (EValue in ExecuTorch).
struct Value {
    ValueType type = ValueType::null;
    std::uint32_t count = 0;  // of a list or string
    union {
        std::int64_t integer = 0;
        bool boolean;
        double real;
        Tensor* tensor;
        Value* const* items;         // integers, tensors, optional_tensors (null for None)
        const std::uint8_t* packed;  // string; reals: count doubles; booleans: count bytes
    };

    static Value of(std::int64_t x) {
        Value value;
        value.type = ValueType::integer;
        value.integer = x;
        return value;
    }
    static Value of(double x) {
        Value value;
        value.type = ValueType::real;
        value.real = x;
        return value;
    }
    static Value of(bool x) {
        Value value;
        value.type = ValueType::boolean;
        value.boolean = x;
        return value;
    }
};

}  // namespace etb
