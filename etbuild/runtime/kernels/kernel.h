// What a CPU operator is, and how it reads its arguments.
//
// A kernel's file defines it by ETB_KERNEL; the table of those that a firmware links is generated from these lines
// (kernels.cmake). The order of arguments is that of the operator's `.out` overload.
#pragma once

#include "kernels/value.h"

namespace etb {

// Reads arguments by position; the first mistake sticks in `status` and later reads give harmless values.
class Args {
public:
    explicit Args(Span<Value* const> values) : values_(values) {}

    Status status;

    [[nodiscard]] std::size_t size() const { return values_.size; }
    [[nodiscard]] bool is_null(std::size_t i) const;
    [[nodiscard]] bool is_float(std::size_t i) const;  // a scalar that is a double

    Value& value(std::size_t i);
    Tensor& tensor(std::size_t i);
    Tensor& out(std::size_t i);  // a tensor that may be written
    Tensor* optional_tensor(std::size_t i);
    std::int64_t integer(std::size_t i);
    std::int64_t integer_or(std::size_t i, std::int64_t fallback);
    double number(std::size_t i);  // an integer, boolean or real
    double number_or(std::size_t i, double fallback);
    bool boolean(std::size_t i);
    Dims integers(std::size_t i);               // at most max_rank of them; an integer counts as a list of one
    Span<Value* const> tensors(std::size_t i);  // each a tensor
    Span<Value* const> outs(std::size_t i);     // each one that may be written
    Bytes string(std::size_t i);
    Tensor* item(Span<Value* const> list, std::size_t i);  // null where an optional list has none

    void fail(Code code, const char* text, std::uint64_t number = 0) {
        if (status.ok()) status = Status{code, text, number};
    }
    // Fails unless `condition`.
    void demand(bool condition, const char* text, std::uint64_t number = 0) {
        if (!condition) fail(Code::mismatch, text, number);
    }
    // The dimension that `d` names in a tensor of that rank (negative counts from the end); 0 and a mistake otherwise.
    int dimension(std::int64_t d, int rank);

private:
    Span<Value* const> values_;
    Value no_value_;
    Tensor no_tensor_;
    std::int32_t no_size_ = 0;
    std::uint8_t no_order_ = 0;

    Value* find(std::size_t i);
};

struct Kernel {
    const char* name;  // "aten::add.out"
    Status (*run)(Args& args);
};

using KernelTable = Span<const Kernel* const>;

extern const KernelTable kernel_table;  // generated

}  // namespace etb

#define ETB_KERNEL(symbol, name, ...)           \
    extern const ::etb::Kernel kernel_##symbol; \
    const ::etb::Kernel kernel_##symbol { name, __VA_ARGS__ }
