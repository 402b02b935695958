// The interface of CPU kernels: the entry of the kernel table, and how a kernel reads its arguments.
//
// ETB_KERNEL in a .cc file defines a kernel; the table of the kernels that an image links is generated from these lines
// (kernels.cmake, etbuild/firmware/select_sources.py). Arguments have the order of the operator's `.out` overload.
#pragma once

#include "kernels/built_types.h"
#include "kernels/value.h"

namespace etb {

// Typed access to the arguments by position. The first error is stored in `status`. A read that fails returns a
// placeholder (0, an empty list, a tensor without data), so a kernel need check `status` only before it reads elements.
class Args {
public:
    explicit Args(Span<Value* const> values) : values_(values) {}

    Status status;

    [[nodiscard]] std::size_t size() const { return values_.size; }
    [[nodiscard]] bool is_null(std::size_t i) const;
    [[nodiscard]] bool is_float(std::size_t i) const;  // a scalar that is a double

    Value& value(std::size_t i);
    Tensor& tensor(std::size_t i);
    Tensor& out(std::size_t i);  // a tensor that is not constant
    Tensor* optional_tensor(std::size_t i);
    std::int64_t integer(std::size_t i);
    std::int64_t integer_or(std::size_t i, std::int64_t fallback);
    double number(std::size_t i);  // an integer, boolean or real
    double number_or(std::size_t i, double fallback);
    bool boolean(std::size_t i);
    Dims integers(std::size_t i);               // at most max_rank; empty for None; a single integer is a list of one
    Span<Value* const> tensors(std::size_t i);  // tensors with memory; entries of an optional list may be absent
    Span<Value* const> outs(std::size_t i);     // tensors that are not constant
    Bytes string(std::size_t i);
    Tensor* item(Span<Value* const> list, std::size_t i);  // null where entry i is absent

    void fail(Code code, const char* text, std::uint64_t number = 0) {
        if (status.ok()) status = Status{code, text, number};
    }
    // Records an error (mismatch) unless `condition` holds.
    void demand(bool condition, const char* text, std::uint64_t number = 0) {
        if (!condition) fail(Code::mismatch, text, number);
    }
    // Dimension index d of a tensor of that rank, where a negative d counts from the end; on error 0.
    int dimension(std::int64_t d, int rank);

private:
    Span<Value* const> values_;
    Value no_value_;
    Tensor no_tensor_;
    std::int32_t no_size_ = 0;
    std::uint8_t no_order_ = 0;

    Value* find(std::size_t i);
};

// One kernel of the table.
struct Kernel {
    const char* name;  // operator and overload: "aten::add.out"
    Status (*run)(Args& args);
    std::uint32_t types;  // built_types of its source
};

using KernelTable = Span<const Kernel* const>;

extern const KernelTable kernel_table;  // generated

}  // namespace etb

#define ETB_KERNEL(symbol, name, ...)           \
    extern const ::etb::Kernel kernel_##symbol; \
    const ::etb::Kernel kernel_##symbol { name, __VA_ARGS__, ::etb::built_types }
