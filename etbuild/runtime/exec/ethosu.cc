#include "exec/ethosu.h"

namespace etb {
namespace {

constexpr std::size_t row_bytes = 36;

struct Block {
    char name[17] = {};
    Bytes payload;

    [[nodiscard]] bool is(const char* other) const { return std::strcmp(name, other) == 0; }
};

// Data named `key`, in the .pte or else in the .ptd file.
Status external(Bytes key, const Program& program, const DataFile* data, Bytes& out) {
    char name[65] = {};
    if (key.size >= sizeof name) return error(Code::malformed, "delegate: name of external data is too long", key.size);
    std::memcpy(name, key.data, key.size);
    if (program.named(name, out).ok()) return {};
    if (!ETB_DATA_FILES || !data) return error(Code::mismatch, "delegate: its data is in a .ptd file, which was not given");
    return data->named(name, out);
}

Status next_block(Cursor& cursor, Block& block, bool& is_external) {
    Bytes head;
    ETB_TRY(cursor.take(32, head));
    std::memcpy(block.name, head.data, 16);
    is_external = head[20] == 1;
    const std::uint64_t bytes = load<std::uint32_t>(head.data + 16);
    ETB_TRY(cursor.take((bytes + 15) / 16 * 16, block.payload));
    return block.payload.slice(0, bytes, block.payload);
}

// The rows of an `inputs` or `outputs` block. Checks that each tensor is inside the scratch.
Status rows_of(Bytes payload, std::uint32_t scratch_bytes, Bytes& rows) {
    if (payload.size == 0) return {};  // an absent block is an empty list
    if (payload.size < 4) return error(Code::malformed, "delegate: list of tensors has no count");
    const std::uint32_t count = load<std::uint32_t>(payload.data);
    ETB_TRY(payload.slice(4, std::uint64_t{count} * row_bytes, rows));
    for (std::size_t i = 0; i < count; ++i) {
        std::uint64_t bytes = 1;
        for (std::size_t k = 0; k < 7; ++k) {  // six sizes and the element size
            const auto size = load<std::int32_t>(rows.data + i * row_bytes + 4 * k);
            if (size <= 0 || __builtin_mul_overflow(bytes, static_cast<std::uint64_t>(size), &bytes))
                return error(Code::malformed, "delegate: tensor has an impossible shape", i);
        }
        const std::uint32_t offset = load<std::uint32_t>(rows.data + i * row_bytes + 28);
        if (offset > scratch_bytes || bytes > scratch_bytes - offset)
            return error(Code::out_of_bounds, "delegate: tensor leaves the scratch", i);
    }
    return {};
}

EthosU::Place place(const std::uint8_t* row) {
    EthosU::Place where{load<std::uint32_t>(row + 20), 1, load<std::uint32_t>(row + 24), load<std::uint32_t>(row + 28)};
    for (std::size_t k = 0; k < 5; ++k) where.rows *= load<std::uint32_t>(row + 4 * k);
    return where;
}

// Whether a tensor of this type can be copied to an input whose elements have that size.
bool taken_as_input(DType type, std::uint32_t element_bytes) {
    return !is_float(type) && type != DType::i64 && element_size(type) == element_bytes;
}

// An int8 output of twice the size: Vela stores two 4-bit values per byte, low half first. (An output may also be
// smaller than Vela's tensor, whose rows are then padded; see copy_output.)
bool is_packed(const Tensor& tensor, const EthosU::Place& from) {
    return tensor.dtype == DType::i8 && from.element_bytes == 1 && tensor.bytes() == 2 * from.bytes();
}

void unpack(const std::uint8_t* from, std::size_t bytes, std::uint8_t* to) {
    for (std::size_t i = 0; i < bytes; ++i) {
        to[2 * i] = static_cast<std::uint8_t>(((from[i] & 15) ^ 8) - 8);
        to[2 * i + 1] = static_cast<std::uint8_t>(((from[i] >> 4) ^ 8) - 8);
    }
}

void copy_output(const std::uint8_t* from, const EthosU::Place& where, const Tensor& to) {
    if (is_packed(to, where)) return unpack(from, static_cast<std::size_t>(where.bytes()), to.data);
    if (to.bytes() == where.bytes()) {
        std::memcpy(to.data, from, to.bytes());
        return;
    }
    const std::size_t stride = std::size_t{where.row_elements} * where.element_bytes;
    const std::size_t used = to.bytes() / where.rows;
    for (std::size_t r = 0; r < where.rows; ++r) std::memcpy(to.data + r * used, from + r * stride, used);
}

constexpr std::uint8_t poison_byte = 0xA5;

}  // namespace

Status EthosU::parse(Bytes blob, const Program& program, const DataFile* data, EthosU& out) {
    if (reinterpret_cast<std::uintptr_t>(blob.data) % 16)
        return error(Code::malformed, "delegate: its data is not aligned to 16 bytes");
    EthosU delegate;
    Cursor cursor{blob};
    Bytes inputs;
    Bytes outputs;
    for (bool first = true, done = false; !done; first = false) {
        Block block;
        bool is_external = false;
        const std::size_t at = cursor.position;
        ETB_TRY(next_block(cursor, block, is_external));
        if (first != block.is("vela_bin_stream"))
            return error(Code::malformed, "delegate: not a stream of Vela's blocks", at);
        if (is_external) ETB_TRY(external(block.payload, program, data, block.payload));
        if (block.is("cmd_data")) {
            delegate.commands = block.payload;
        } else if (block.is("weight_data")) {
            delegate.weights = block.payload;
        } else if (block.is("scratch_size")) {
            if (block.payload.size != 4) return error(Code::malformed, "delegate: scratch_size is not one number", at);
            delegate.scratch_bytes = load<std::uint32_t>(block.payload.data);
        } else if (block.is("inputs")) {
            inputs = block.payload;
        } else if (block.is("outputs")) {
            outputs = block.payload;
        } else if (block.is("vela_end_stream")) {
            if (cursor.left()) return error(Code::malformed, "delegate: data after vela_end_stream", cursor.position);
            done = true;
        } else if (!first) {
            return error(Code::malformed, "delegate: unknown block", at);
        }
    }
    if (delegate.commands.empty()) return error(Code::malformed, "delegate: no cmd_data block");
    if (reinterpret_cast<std::uintptr_t>(delegate.commands.data) % 16 ||
        reinterpret_cast<std::uintptr_t>(delegate.weights.data) % 16)
        return error(Code::malformed, "delegate: external data is not aligned to 16 bytes");
    ETB_TRY(rows_of(inputs, delegate.scratch_bytes, delegate.input_rows));
    ETB_TRY(rows_of(outputs, delegate.scratch_bytes, delegate.output_rows));
    out = delegate;
    return {};
}

EthosU::Place EthosU::input(std::size_t i) const { return place(input_rows.data + i * row_bytes); }

EthosU::Place EthosU::output(std::size_t i) const { return place(output_rows.data + i * row_bytes); }

Status EthosU::check(Span<Value* const> args) const {
    if (args.size < inputs() + outputs())
        return error(Code::mismatch, "delegate is called with too few arguments", args.size);
    for (std::size_t i = 0; i < inputs() + outputs(); ++i) {
        if (args[i]->type != ValueType::tensor) return error(Code::mismatch, "delegate: not a tensor, argument", i);
        const Tensor& tensor = *args[i]->tensor;
        if (i < inputs()) {
            const Place where = input(i);
            if (!taken_as_input(tensor.dtype, where.element_bytes))
                return error(Code::mismatch, "delegate: input has another type than was compiled in, argument", i);
            if (tensor.bytes() != where.bytes())
                return error(Code::mismatch, "delegate: input has another size than was compiled in, argument", i);
        } else {
            const Place where = output(i - inputs());
            if (tensor.memory == Memory::constant)
                return error(Code::mismatch, "delegate would write to a constant, argument", i);
            const bool fits = tensor.bytes() <= where.bytes() && tensor.bytes() % where.rows == 0;
            if (!fits && !is_packed(tensor, where))
                return error(Code::mismatch, "delegate: output has another size than was compiled in, argument", i);
        }
    }
    return {};
}

Status temp_bytes(const EthosU& delegate, const NpuMemory& memory, std::uint64_t& bytes) {
    std::uint64_t working = 0;
    if (!memory.npu) return error(Code::unsupported, "delegate needs an NPU and there is none");
    ETB_TRY(memory.npu->scratch_size(memory.npu->context, delegate.commands, working));
    bytes = std::uint64_t{delegate.scratch_bytes} + working + 2 * 16;
    return {};
}

Status run(const EthosU& delegate, const NpuMemory& memory, Span<Value* const> args) {
    ETB_TRY(delegate.check(args));
    for (std::size_t i = 0; i < delegate.inputs() + delegate.outputs(); ++i)
        if (!args[i]->tensor->data) return error(Code::mismatch, "delegate: tensor without memory, argument", i);
    const std::size_t mark = memory.temp->mark();
    MutableBytes scratch;
    ETB_TRY(memory.temp->allocate(delegate.scratch_bytes, 16, scratch));
    if (memory.poison) {
        std::memset(scratch.data, poison_byte, scratch.size);
        if (memory.fast_scratch.size) std::memset(memory.fast_scratch.data, poison_byte, memory.fast_scratch.size);
    }
    for (std::size_t i = 0; i < delegate.inputs(); ++i) {
        const Tensor& tensor = *args[i]->tensor;
        std::memcpy(scratch.data + delegate.input(i).offset, tensor.data, tensor.bytes());
    }
    npu::Job job{delegate.commands, {}, memory.observer};
    job.regions.at[0] = npu::Region::read_only(delegate.weights);
    job.regions.at[1] = npu::Region::read_write(scratch);
    job.regions.at[2] = npu::Region::read_write(memory.fast_scratch);
    const Status status = memory.npu->run(memory.npu->context, job, *memory.temp);
    for (std::size_t i = 0; status.ok() && i < delegate.outputs(); ++i) {
        const EthosU::Place where = delegate.output(i);
        copy_output(scratch.data + where.offset, where, *args[delegate.inputs() + i]->tensor);
    }
    memory.temp->release(mark);
    return status;
}

}  // namespace etb
