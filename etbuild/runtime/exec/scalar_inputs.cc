// Inputs that are no tensors: the program has a value for each. torch.export fixes Python numbers to the values of the
// example inputs; then no instruction reads the input, and another value would have no effect.
#include "exec/method.h"

namespace etb {
namespace {

bool has(Vector<std::int32_t> indices, std::size_t index) {
    for (std::uint32_t i = 0; i < indices.size; ++i)
        if (static_cast<std::size_t>(indices[i]) == index) return true;
    return false;
}

bool reads(Instruction kind, Table arguments, std::size_t index) {
    switch (kind) {
        case Instruction::kernel:
        case Instruction::delegate:
            return has(arguments.vector<std::int32_t>(field::call::args), index);
        case Instruction::move:
            return arguments.get<std::uint32_t>(field::MoveCall::move_from) == index;
        case Instruction::jump_false:
            return arguments.get<std::uint32_t>(field::JumpFalseCall::cond_value_index) == index;
        case Instruction::free:
            return false;
    }
    return false;
}

// Bytes of a scalar in `Value`; 0 for values that cannot be set.
std::size_t scalar_bytes(ValueType type) {
    if (type == ValueType::boolean) return 1;
    return type == ValueType::integer || type == ValueType::real ? 8 : 0;
}

}  // namespace

bool Method::is_read(const Value& value) const {
    const auto index = static_cast<std::size_t>(&value - values_.data);
    if (has(plan_.vector<std::int32_t>(field::ExecutionPlan::outputs), index)) return true;
    for (const Value& list : values_) {
        if (list.type != ValueType::integers) continue;
        for (std::uint32_t i = 0; i < list.count; ++i)
            if (list.items[i] == &value) return true;
    }
    const TableVector chains = plan_.tables(field::ExecutionPlan::chains);
    for (std::uint32_t c = 0; c < chains.size; ++c) {
        const TableVector instructions = chains[c].tables(field::Chain::instructions);
        for (std::uint32_t i = 0; i < instructions.size; ++i) {
            const auto kind =
                static_cast<Instruction>(instructions[i].get<std::uint8_t>(field::Instruction::instr_args_type));
            if (reads(kind, instructions[i].table(field::Instruction::instr_args), index)) return true;
        }
    }
    return false;
}

Status Method::set_scalar(std::size_t i, const Dims& sizes, Bytes data) {
    Value& value = input(i);
    const std::size_t bytes = scalar_bytes(value.type);
    if (sizes.rank != 0 && bytes) return error(Code::mismatch, "input is a number, not a tensor", i);
    if (data.size != bytes) return error(Code::mismatch, "input has another number of bytes than its type", data.size);
    if (bytes == 0 || std::memcmp(&value.integer, data.data, bytes) == 0) return {};
    if (!is_read(value)) return error(Code::mismatch, "input is fixed to another value, nothing reads it", i);
    std::memcpy(&value.integer, data.data, bytes);
    return {};
}

}  // namespace etb
