// Method::load: builds a method from a verified program. Indices, shapes, memory, kernels and delegates are checked
// here, so that the execution loop need not check them.
#include "exec/method.h"

namespace etb {
namespace {

// Whether `kernel` is "name.overload", or "name" where the overload is empty.
bool same_name(const char* kernel, const char* name, const char* overload) {
    const std::size_t length = std::strlen(name);
    if (std::strncmp(kernel, name, length) != 0) return false;
    kernel += length;
    return *overload ? *kernel == '.' && std::strcmp(kernel + 1, overload) == 0 : *kernel == 0;
}

bool is_permutation(const std::uint8_t* order, int rank) {
    unsigned seen = 0;
    for (int d = 0; d < rank; ++d) seen |= order[d] < rank ? 1u << order[d] : 0u;
    return seen == (1u << rank) - 1;
}

Status check_indices(Vector<std::int32_t> indices, std::size_t values, const char* text) {
    for (std::uint32_t i = 0; i < indices.size; ++i)
        if (indices[i] < 0 || static_cast<std::size_t>(indices[i]) >= values) return Status{Code::malformed, text, i};
    return {};
}

}  // namespace

Status Method::load(const Program& program, std::size_t index, const Resources& resources) {
    if (index >= program.methods()) return error(Code::mismatch, "program has no such method", index);
    *this = Method();
    program_ = &program;
    resources_ = resources;
    plan_ = program.plan(index);
    const Vector<std::int64_t> pools = plan_.vector<std::int64_t>(field::ExecutionPlan::non_const_buffer_sizes);
    for (std::uint32_t i = 1; i < pools.size; ++i) {
        const std::uint64_t given = i - 1 < resources.planned.size ? resources.planned[i - 1].size : 0;
        if (pools[i] < 0) return error(Code::malformed, "planned memory has a negative size", i);
        if (static_cast<std::uint64_t>(pools[i]) > given)
            return error(Code::no_memory, "planned memory is too small by bytes",
                         static_cast<std::uint64_t>(pools[i]) - given);
    }
    ETB_TRY(find_kernels());
    ETB_TRY(load_values());
    ETB_TRY(load_delegates());
    ETB_TRY(check_instructions());
    return check_temp();
}

Status Method::find_kernels() {
    const TableVector operators = plan_.tables(field::ExecutionPlan::operators);
    ETB_TRY(resources_.method->array(operators.size, kernels_));
    for (std::uint32_t i = 0; i < operators.size; ++i) {
        const char* name = operators[i].string(field::Operator::name);
        const char* overload = operators[i].string(field::Operator::overload);
        kernels_[i] = nullptr;
        for (const Kernel* kernel : resources_.kernels)
            if (same_name(kernel->name, name, overload)) kernels_[i] = kernel;
        if (!kernels_[i]) {
            place_ = {0, Instruction::kernel, i, name, overload};
            return error(Code::unsupported, "there is no CPU kernel for this operator");
        }
    }
    return {};
}

Status Method::load_values() {
    const TableVector rows = plan_.tables(field::ExecutionPlan::values);
    ETB_TRY(resources_.method->array(rows.size, values_));
    for (std::uint32_t i = 0; i < rows.size; ++i) {
        Value& value = values_[i] = Value();
        value.type = static_cast<ValueType>(rows[i].get<std::uint8_t>(field::EValue::val_type));
        const Table table = rows[i].table(field::EValue::val);
        switch (value.type) {
            case ValueType::null:
                break;
            case ValueType::integer:
                value.integer = table.get<std::int64_t>(field::Int::int_val);
                break;
            case ValueType::boolean:
                value.boolean = table.get<std::uint8_t>(field::Bool::bool_val) != 0;
                break;
            case ValueType::real:
                value.real = table.get<double>(field::Double::double_val);
                break;
            case ValueType::tensor: {
                Span<Tensor> one;
                ETB_TRY(resources_.method->array(1, one));
                one[0] = Tensor();
                value.tensor = one.data;
                Status status = load_tensor(table, one[0]);
                if (status.ok()) status = load_memory(table, one[0]);
                if (!status.ok()) {
                    place_.name = "value";
                    place_.index = i;
                    return status;
                }
                break;
            }
            default:
                ETB_TRY(load_list(value.type, table, value));
        }
    }
    ETB_TRY(check_indices(plan_.vector<std::int32_t>(field::ExecutionPlan::inputs), rows.size, "no value for input"));
    return check_indices(plan_.vector<std::int32_t>(field::ExecutionPlan::outputs), rows.size, "no value for output");
}

// Lists of integers and tensors store indices into the value table; strings and lists of doubles and booleans store the
// elements themselves.
Status Method::load_list(ValueType type, Table table, Value& value) {
    if (type == ValueType::string || type == ValueType::reals || type == ValueType::booleans) {
        const Bytes packed = table.bytes(field::String::string_val);  // as DoubleList::items and BoolList::items
        value.packed = packed.data;
        value.count = static_cast<std::uint32_t>(packed.size);
        return {};
    }
    const bool wide = type == ValueType::integers;
    const Vector<std::int64_t> longs = table.vector<std::int64_t>(field::IntList::items);
    const Vector<std::int32_t> ints = table.vector<std::int32_t>(field::TensorList::items);
    Span<Value*> items;
    value.count = longs.size;
    ETB_TRY(resources_.method->array(value.count, items));
    value.items = items.data;
    for (std::uint32_t i = 0; i < value.count; ++i) {
        const std::int64_t index = wide ? longs[i] : ints[i];
        const bool absent = index == -1 && type == ValueType::optional_tensors;
        if (!absent && (index < 0 || static_cast<std::uint64_t>(index) >= values_.size))
            return error(Code::malformed, "list refers to no value, entry", i);
        items[i] = absent ? nullptr : &values_[static_cast<std::size_t>(index)];
    }
    return {};
}

Status Method::load_tensor(Table table, Tensor& tensor) {
    const Vector<std::int32_t> sizes = table.vector<std::int32_t>(field::Tensor::sizes);
    const Vector<std::uint8_t> order = table.vector<std::uint8_t>(field::Tensor::dim_order);
    const std::int8_t type = table.get<std::int8_t>(field::Tensor::scalar_type);
    tensor.dtype = static_cast<DType>(type);
    const std::size_t element = element_size(tensor.dtype);
    if (element == 0)
        return error(Code::unsupported, "tensor of an unsupported type", static_cast<std::uint64_t>(type));
    if (table.get<std::int32_t>(field::Tensor::storage_offset) != 0)
        return error(Code::unsupported, "tensor with a storage offset");
    if (sizes.size > max_rank) return error(Code::unsupported, "tensor has too many dimensions", sizes.size);
    tensor.rank = static_cast<std::uint8_t>(sizes.size);
    tensor.order = order.first;
    if (order.size != sizes.size || !is_permutation(order.first, tensor.rank))
        return error(Code::malformed, "dim_order is not an order of the dimensions");
    tensor.resizable = table.get<ShapeDynamism>(field::Tensor::shape_dynamism) != ShapeDynamism::static_;
    Span<std::int32_t> copy;
    ETB_TRY(resources_.method->array(sizes.size, copy));
    tensor.sizes = copy.data;
    std::uint64_t bytes = element;
    for (std::uint32_t d = 0; d < sizes.size; ++d) {
        copy[d] = sizes[d];
        if (sizes[d] < 0 || __builtin_mul_overflow(bytes, static_cast<std::uint64_t>(sizes[d]), &bytes) ||
            bytes > INT32_MAX)
            return error(Code::malformed, "tensor has an impossible shape");
    }
    tensor.capacity = static_cast<std::size_t>(bytes);
    return {};
}

Status Method::load_memory(Table table, Tensor& tensor) {
    const std::uint32_t buffer = table.get<std::uint32_t>(field::Tensor::data_buffer_idx);
    const Table allocation = table.table(field::Tensor::allocation_info);
    const Table extra = table.table(field::Tensor::extra_tensor_info);
    const bool is_external =
        extra.get<TensorDataLocation>(field::ExtraTensorInfo::location) == TensorDataLocation::external;
    Bytes initial;
    if (is_external) {
        const char* key = extra.string(field::ExtraTensorInfo::fully_qualified_name);
        if (!ETB_DATA_FILES || !resources_.data) return error(Code::mismatch, "weights are in a .ptd file, which was not given");
        ETB_TRY(resources_.data->named(key, initial));
        if (initial.size < tensor.capacity) return error(Code::mismatch, ".ptd: data is shorter than its tensor");
    } else if (buffer && !allocation) {
        ETB_TRY(program_->constant(buffer, tensor.capacity, initial));
    } else if (buffer) {
        const auto set = extra.get<std::uint64_t>(field::ExtraTensorInfo::mutable_data_segments_idx);
        ETB_TRY(program_->initial_state(set, buffer, tensor.capacity, initial));
    }
    if (allocation) {
        const std::uint32_t id = allocation.get<std::uint32_t>(field::AllocationDetails::memory_id);
        const std::uint64_t offset =
            allocation.get<std::uint32_t>(field::AllocationDetails::memory_offset_low) |
            std::uint64_t{allocation.get<std::uint32_t>(field::AllocationDetails::memory_offset_high)} << 32;
        if (id == 0 || id > resources_.planned.size) return error(Code::malformed, "tensor in no planned memory", id);
        MutableBytes place;
        ETB_TRY(resources_.planned[id - 1].slice(offset, tensor.capacity, place));
        tensor.data = place.data;
        tensor.memory = Memory::planned;
        if (initial.data) std::memcpy(place.data, initial.data, tensor.capacity);
    } else if (initial.data) {
        tensor.data =
            const_cast<std::uint8_t*>(initial.data);  // Args::out and EthosU::check keep it from being written
        tensor.memory = Memory::constant;
    } else {
        tensor.capacity = 0;  // an input or output whose memory the caller provides, or the output of an et_view
    }
    if (reinterpret_cast<std::uintptr_t>(tensor.data) % element_size(tensor.dtype))
        return error(Code::malformed, "tensor is not aligned to its elements");
    return {};
}

Status Method::load_delegates() {
    const TableVector rows = plan_.tables(field::ExecutionPlan::delegates);
    ETB_TRY(resources_.method->array(rows.size, delegates_));
    for (std::uint32_t i = 0; i < rows.size; ++i) {
        const char* id = rows[i].string(field::BackendDelegate::id);
        place_ = {0, Instruction::delegate, i, id, ""};
        delegates_[i] = EthosU();
        if (std::strcmp(id, "EthosUBackend") != 0)
            return error(Code::unsupported, "delegate of another backend than EthosUBackend");
        Bytes blob;
        ETB_TRY(program_->delegate_data(rows[i], blob));
        ETB_TRY(EthosU::parse(blob, *program_, resources_.data, delegates_[i]));
    }
    place_ = {};
    return {};
}

// Checks the operator or delegate index and the argument indices of a call. most: raised to its number of arguments.
Status Method::check_call(Table arguments, std::size_t limit, std::size_t& most) {
    const auto index = arguments.get<std::int32_t>(field::call::index);
    if (index < 0 || static_cast<std::size_t>(index) >= limit)
        return error(Code::malformed, "instruction calls what does not exist", static_cast<std::uint64_t>(index));
    const Vector<std::int32_t> args = arguments.vector<std::int32_t>(field::call::args);
    if (args.size > most) most = args.size;
    return check_indices(args, values_.size, "instruction has no value for argument");
}

// The type of a tensor that a kernel is not built for; -1 where there is none.
static int type_not_built(const Kernel& kernel, Span<Value* const> args) {
    for (const Value* value : args) {
        const bool is_list = value->type == ValueType::tensors || value->type == ValueType::optional_tensors;
        const Value* const* items = is_list ? value->items : &value;
        for (std::uint32_t i = is_list ? value->count : 1; i-- > 0; ++items)
            if (*items && (*items)->type == ValueType::tensor && !(kernel.types & type_bit((*items)->tensor->dtype)))
                return static_cast<int>((*items)->tensor->dtype);
    }
    return -1;
}

Status Method::check_instructions() {
    const TableVector chains = plan_.tables(field::ExecutionPlan::chains);
    std::size_t most = 0;
    for (std::uint32_t c = 0; c < chains.size; ++c) {
        const TableVector instructions = chains[c].tables(field::Chain::instructions);
        for (std::uint32_t i = 0; i < instructions.size; ++i) {
            const Table arguments = instructions[i].table(field::Instruction::instr_args);
            const auto kind =
                static_cast<Instruction>(instructions[i].get<std::uint8_t>(field::Instruction::instr_args_type));
            place_ = {i, kind, 0, "", ""};
            const auto value = [&](unsigned id) { return static_cast<std::uint32_t>(arguments.get<std::int32_t>(id)); };
            bool right = true;
            switch (kind) {
                case Instruction::kernel:
                    ETB_TRY(check_call(arguments, kernels_.size, most));
                    break;
                case Instruction::delegate:
                    ETB_TRY(check_call(arguments, delegates_.size, most));
                    break;
                case Instruction::move:
                    right = value(field::MoveCall::move_from) < values_.size &&
                            value(field::MoveCall::move_to) < values_.size;
                    break;
                case Instruction::jump_false:
                    right = value(field::JumpFalseCall::cond_value_index) < values_.size &&
                            value(field::JumpFalseCall::destination_instruction) <= instructions.size;
                    break;
                case Instruction::free:
                    right = value(field::FreeCall::value_index) < values_.size;
            }
            if (!right) return error(Code::malformed, "instruction refers to what does not exist", i);
        }
    }
    ETB_TRY(resources_.method->array(most, args_));
    for (std::uint32_t c = 0; c < chains.size; ++c) {
        const TableVector instructions = chains[c].tables(field::Chain::instructions);
        for (std::uint32_t i = 0; i < instructions.size; ++i) {
            const auto kind =
                static_cast<Instruction>(instructions[i].get<std::uint8_t>(field::Instruction::instr_args_type));
            if (kind != Instruction::delegate && kind != Instruction::kernel) continue;
            const Table call = instructions[i].table(field::Instruction::instr_args);
            set_place(i, kind, call);
            const Span<Value* const> args = gather(call);
            if (kind == Instruction::delegate) {
                ETB_TRY(delegates_[place_.index].check(args));
            } else {
                const int type = type_not_built(*kernels_[place_.index], args);
                if (type >= 0)
                    return error(Code::unsupported, "this firmware's kernel is not built for elements of type",
                                 static_cast<std::uint64_t>(type));
            }
        }
    }
    place_ = {};
    return {};
}

Status Method::check_temp() {
    std::uint64_t bytes = 0;
    ETB_TRY(temp_needed(bytes));
    const std::size_t left = resources_.temp->memory.size - resources_.temp->used;
    if (bytes > left) return error(Code::no_memory, "temporary memory is too small by bytes", bytes - left);
    return {};
}

Status Method::temp_needed(std::uint64_t& bytes) {
    bytes = 0;
    for (std::uint32_t i = 0; i < delegates_.size; ++i) {
        place_ = {0, Instruction::delegate, i, "EthosUBackend", ""};
        std::uint64_t one = 0;
        ETB_TRY(temp_bytes(delegates_[i], npu_memory(nullptr), one));
        if (one > bytes) bytes = one;
    }
    place_ = {};
    return {};
}

}  // namespace etb
