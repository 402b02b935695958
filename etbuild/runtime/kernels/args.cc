#include "base/double_of.h"
#include "kernels/kernel.h"

namespace etb {

Value* Args::find(std::size_t i) {
    if (i < values_.size) return values_[i];
    fail(Code::mismatch, "operator has too few arguments", i);
    return &no_value_;
}

bool Args::is_null(std::size_t i) const { return i >= values_.size || values_[i]->type == ValueType::null; }

bool Args::is_float(std::size_t i) const { return i < values_.size && values_[i]->type == ValueType::real; }

Value& Args::value(std::size_t i) { return *find(i); }

Tensor& Args::tensor(std::size_t i) {
    const Value* value = find(i);
    if (value->type == ValueType::tensor && value->tensor->data) return *value->tensor;
    fail(Code::mismatch,
         value->type == ValueType::tensor ? "tensor without memory, argument" : "not a tensor, argument", i);
    no_tensor_.sizes = &no_size_;
    no_tensor_.order = &no_order_;
    return no_tensor_;
}

Tensor& Args::out(std::size_t i) {
    Tensor& tensor = this->tensor(i);
    if (tensor.memory == Memory::constant) fail(Code::mismatch, "operator would write to a constant, argument", i);
    return tensor;
}

Tensor* Args::optional_tensor(std::size_t i) { return is_null(i) ? nullptr : &tensor(i); }

std::int64_t Args::integer(std::size_t i) {
    const Value* value = find(i);
    if (value->type == ValueType::integer) return value->integer;
    if (value->type == ValueType::boolean) return value->boolean;
    fail(Code::mismatch, "not an integer, argument", i);
    return 0;
}

std::int64_t Args::integer_or(std::size_t i, std::int64_t fallback) { return is_null(i) ? fallback : integer(i); }

double Args::number(std::size_t i) {
    const Value* value = find(i);
    if (value->type == ValueType::real) return value->real;
    return double_of(integer(i));
}

double Args::number_or(std::size_t i, double fallback) { return is_null(i) ? fallback : number(i); }

bool Args::boolean(std::size_t i) { return integer(i) != 0; }

Dims Args::integers(std::size_t i) {
    Dims list;
    const Value* value = find(i);
    if (value->type != ValueType::integers) {
        if (value->type != ValueType::null) list.push(integer(i));
        return list;
    }
    if (value->count > max_rank) fail(Code::unsupported, "more dimensions than are supported, argument", i);
    for (std::uint32_t k = 0; k < value->count && k < max_rank; ++k) {
        const Value* entry = value->items[k];
        if (!entry || entry->type != ValueType::integer) {
            fail(Code::mismatch, "not a list of integers, argument", i);
            return {};
        }
        // Saturated: a bound such as 2^63 - 1 means "to the end", and so does INT32_MAX.
        const std::int64_t wide = entry->integer;
        list.push(wide > INT32_MAX ? INT32_MAX : wide < INT32_MIN ? INT32_MIN : wide);
    }
    return list;
}

Span<Value* const> Args::tensors(std::size_t i) {
    const Value* value = find(i);
    const bool optional = value->type == ValueType::optional_tensors;
    if (value->type != ValueType::tensors && !optional) {
        fail(Code::mismatch, "not a list of tensors, argument", i);
        return {};
    }
    for (std::uint32_t k = 0; k < value->count; ++k) {
        const Value* entry = value->items[k];
        const bool absent = !entry || entry->type == ValueType::null;
        if (absent ? !optional : (entry->type != ValueType::tensor || !entry->tensor->data)) {
            fail(Code::mismatch, "not a list of tensors with memory, argument", i);
            return {};
        }
    }
    return {value->items, value->count};
}

Span<Value* const> Args::outs(std::size_t i) {
    const Span<Value* const> list = tensors(i);
    for (const Value* entry : list)
        if (!entry || entry->type != ValueType::tensor || entry->tensor->memory == Memory::constant) {
            fail(Code::mismatch, "operator would write to a constant, argument", i);
            return {};
        }
    return list;
}

Tensor* Args::item(Span<Value* const> list, std::size_t i) {
    return i < list.size && list[i] && list[i]->type == ValueType::tensor ? list[i]->tensor : nullptr;
}

Bytes Args::string(std::size_t i) {
    const Value* value = find(i);
    if (value->type == ValueType::string) return {value->packed, value->count};
    fail(Code::mismatch, "not a string, argument", i);
    return {};
}

int Args::dimension(std::int64_t d, int rank) {
    const std::int64_t least = rank > 0 ? rank : 1;  // a tensor without dimensions accepts 0 and -1
    if (d < -least || d >= least) {
        fail(Code::mismatch, "no such dimension", static_cast<std::uint64_t>(d));
        return 0;
    }
    return static_cast<int>(d < 0 ? d + least : d);
}

}  // namespace etb
