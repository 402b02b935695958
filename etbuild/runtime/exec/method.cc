#include "exec/method.h"

namespace etb {
void Method::set_place(std::uint32_t index, Instruction kind, Table arguments) {
    place_ = {index, kind, 0, "", ""};
    if (kind != Instruction::kernel && kind != Instruction::delegate) return;
    place_.index = arguments.get<std::uint32_t>(field::call::index);
    const bool is_kernel = kind == Instruction::kernel;
    const Table row =
        plan_.tables(is_kernel ? field::ExecutionPlan::operators : field::ExecutionPlan::delegates)[place_.index];
    place_.name = row.string(is_kernel ? field::Operator::name + 0u : field::BackendDelegate::id + 0u);
    if (is_kernel) place_.overload = row.string(field::Operator::overload);
}

Span<Value* const> Method::gather(Table call) {
    const Vector<std::int32_t> indices = call.vector<std::int32_t>(field::call::args);
    for (std::uint32_t i = 0; i < indices.size; ++i) args_[i] = &values_[static_cast<std::size_t>(indices[i])];
    return {args_.data, indices.size};
}

Status Method::is_true(const Value& condition, bool& yes) const {
    yes = true;
    if (condition.type == ValueType::boolean) {
        yes = condition.boolean;
        return {};
    }
    if (condition.type != ValueType::tensor || condition.tensor->dtype != DType::boolean || !condition.tensor->data)
        return error(Code::mismatch, "condition of a jump is not boolean");
    const Tensor& tensor = *condition.tensor;
    for (std::size_t i = 0; i < tensor.count(); ++i) yes = yes && tensor.data[i];
    return {};
}

Status Method::step(Table instruction, const npu::Observer* observer, std::uint32_t& next) {
    const Table arguments = instruction.table(field::Instruction::instr_args);
    switch (place_.kind) {
        case Instruction::kernel: {
            Args args(gather(arguments));
            return kernels_[place_.index]->run(args);
        }
        case Instruction::delegate:
            return run_delegate(place_.index, gather(arguments), observer);
        case Instruction::move:
            values_[arguments.get<std::uint32_t>(field::MoveCall::move_to)] =
                values_[arguments.get<std::uint32_t>(field::MoveCall::move_from)];
            return {};
        case Instruction::jump_false: {
            bool yes = true;
            ETB_TRY(is_true(values_[arguments.get<std::uint32_t>(field::JumpFalseCall::cond_value_index)], yes));
            if (!yes) next = arguments.get<std::uint32_t>(field::JumpFalseCall::destination_instruction);
            return {};
        }
        case Instruction::free:  // no effect: memory is planned
            return {};
    }
    return {};
}

Status Method::run(const Monitor& monitor) {
    const TableVector chains = plan_.tables(field::ExecutionPlan::chains);
    std::uint32_t left = resources_.most_instructions;
    for (Value& value : values_)
        if (value.type == ValueType::tensor && value.tensor->memory == Memory::borrowed) value.tensor->data = nullptr;
    for (std::uint32_t c = 0; c < chains.size; ++c) {
        const TableVector instructions = chains[c].tables(field::Chain::instructions);
        for (std::uint32_t i = 0; i < instructions.size;) {
            if (left-- == 0) return error(Code::timeout, "program does not end");
            const auto kind =
                static_cast<Instruction>(instructions[i].get<std::uint8_t>(field::Instruction::instr_args_type));
            set_place(i, kind, instructions[i].table(field::Instruction::instr_args));
            if (monitor.before) monitor.before(monitor.context, place_);
            std::uint32_t next = i + 1;
            ETB_TRY(step(instructions[i], monitor.npu, next));
            if (monitor.after) monitor.after(monitor.context, place_);
            i = next;
        }
    }
    return {};
}

Status Method::run_delegate(std::size_t index, Span<Value* const> args, const npu::Observer* observer) {
    if (index >= delegates_.size) return error(Code::mismatch, "program has no such delegate", index);
    return etb::run(delegates_[index], npu_memory(observer), args);
}

Status Method::set_input(std::size_t i, const Dims& sizes, MutableBytes data) {
    if (i >= inputs()) return error(Code::mismatch, "program has no such input", i);
    Value& value = input(i);
    if (value.type != ValueType::tensor) {
        // Firmware for programs without such inputs has no code for them.
        if constexpr (ETB_SCALAR_INPUTS) return set_scalar(i, sizes, data);
        return error(Code::mismatch, "input is not a tensor", i);
    }
    Tensor& tensor = *value.tensor;
    const bool planned = tensor.memory == Memory::planned;
    if (tensor.memory == Memory::constant) return error(Code::mismatch, "input is a constant", i);
    if (!planned) {
        tensor.data = data.data;
        tensor.capacity = data.size;
        if (reinterpret_cast<std::uintptr_t>(data.data) % element_size(tensor.dtype))
            return error(Code::mismatch, "input is not aligned to its elements", i);
    }
    Status status = resize(tensor, sizes);
    if (status.ok() && tensor.bytes() != data.size)
        status = error(Code::mismatch, "input has another number of bytes than its shape", data.size);
    if (status.ok() && planned) std::memcpy(tensor.data, data.data, data.size);
    return status;
}

Status Method::set_output(std::size_t i, MutableBytes data) {
    if (i >= outputs() || output(i).type != ValueType::tensor) return error(Code::mismatch, "no such output tensor", i);
    Tensor& tensor = *output(i).tensor;
    if (tensor.memory != Memory::callers) return error(Code::mismatch, "output has memory of its own", i);
    if (data.size < tensor.bytes())
        return error(Code::no_memory, "output's memory is too small by bytes", tensor.bytes() - data.size);
    tensor.data = data.data;
    tensor.capacity = data.size;
    return {};
}

}  // namespace etb
