// What instructions work on: tensors and the scalars and lists beside them. Nothing here owns memory.
#pragma once

#include "base/span.h"
#include "pte/program.h"

namespace etb {

// Numbered as in the .pte. Only those that a kernel computes with, or moves, have a name.
enum class DType : std::int8_t { u8 = 0, i8, i16, i32, i64, f16, f32, f64, boolean = 11 };

// Bytes of one element; 0 for a type that is not known here.
constexpr std::size_t element_size(DType type) {
    switch (type) {
        case DType::u8:
        case DType::i8:
        case DType::boolean:
            return 1;
        case DType::i16:
        case DType::f16:
            return 2;
        case DType::i32:
        case DType::f32:
            return 4;
        case DType::i64:
        case DType::f64:
            return 8;
    }
    return 0;
}

constexpr bool is_float(DType type) { return type == DType::f32 || type == DType::f64 || type == DType::f16; }

constexpr int max_rank = 8;

// Where a tensor's bytes lie: in planned memory; in the program, so that nothing may write them; with the caller; or
// where another tensor's do, until the next run.
enum class Memory : std::uint8_t { planned, constant, callers, borrowed };

// A dense tensor. order[0] is the outermost dimension in memory, order[rank - 1] the innermost.
struct Tensor {
    DType dtype = DType::u8;
    std::uint8_t rank = 0;
    Memory memory = Memory::callers;
    bool resizable = false;  // sizes may change, as long as the elements fit into `capacity`
    std::int32_t* sizes = nullptr;
    const std::uint8_t* order = nullptr;
    std::uint8_t* data = nullptr;
    std::size_t capacity = 0;  // bytes behind `data`

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

// Steps from one element to the next along each dimension, in elements.
Dims strides(const Tensor& tensor);

// Give `tensor` these sizes. mismatch: it is not resizable, or has another rank. no_memory: the bytes that are missing.
Status resize(Tensor& tensor, const Dims& sizes);

struct Value {
    ValueType type = ValueType::null;
    std::uint32_t count = 0;  // of a list or string
    union {
        std::int64_t integer = 0;
        bool boolean;
        double real;
        Tensor* tensor;
        Value* const* items;         // integers, tensors, optional_tensors (null where there is none)
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
