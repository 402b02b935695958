// The application (app/app.h) with ExecuTorch's runtime: the same test vectors, frames and exit codes.
#include <executorch/runtime/core/data_loader.h>
#include <executorch/runtime/core/hierarchical_allocator.h>
#include <executorch/runtime/core/memory_allocator.h>
#include <executorch/runtime/executor/method.h>
#include <executorch/runtime/executor/program.h>
#include <executorch/runtime/platform/runtime.h>

#include <cstring>

#include "app/app.h"
#include "app/exit.h"
#include "app/frame.h"
#include "app/vectors.h"
#include "base/arena.h"
#include "executorch/memory.h"
#include "port/port.h"

namespace etb::app {
namespace {

using executorch::runtime::DataLoader;
using executorch::runtime::Error;
using executorch::runtime::EValue;
using executorch::runtime::FreeableBuffer;
using executorch::runtime::HierarchicalAllocator;
using executorch::runtime::MemoryManager;
using executorch::runtime::Method;
using executorch::runtime::Program;
using executorch::runtime::Result;
using executorch::runtime::Span;
using executorch_engine::Kept;
using executorch_engine::Range;
using executorch_engine::Temporary;

constexpr std::uint32_t protocol = 1;
constexpr std::size_t most_pools = 8, most_inputs = 16;

// Loads the .pte in place, without a copy.
class InPlace final : public DataLoader {
public:
    explicit InPlace(Bytes model) : model_(model) {}
    Result<FreeableBuffer> load(std::size_t offset, std::size_t size, const SegmentInfo&) const override {
        if (!model_.holds(offset, size)) return Error::InvalidArgument;
        return FreeableBuffer(model_.data + offset, size, nullptr);
    }
    Result<std::size_t> size() const override { return model_.size; }

private:
    Bytes model_;
};

int finish(int code, const char* what, Error error) {
    if (error != Error::Ok) {
        Frame frame('L');
        frame.u32(0);
        frame.u64(static_cast<std::uint64_t>(error));
        frame.u32(static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(what)));
        frame.send();
    }
    send_end(code);
    return code;
}

Error run_vector(Method& method, const Vectors& vectors, std::uint32_t vector) {
    EValue inputs[most_inputs];
    if (const Error error = method.get_inputs(inputs, most_inputs); error != Error::Ok) return error;
    for (std::size_t i = 0; i < method.inputs_size(); ++i) {
        const Bytes data = vectors.data(vector, i);
        if (!inputs[i].isTensor()) continue;  // a number: the program has its value
        const auto& tensor = inputs[i].toTensor();
        if (tensor.nbytes() != data.size) return Error::InvalidArgument;
        std::memcpy(tensor.mutable_data_ptr(), data.data, data.size);
    }
    const std::uint64_t before = port::ticks();
    if (const Error error = method.execute(); error != Error::Ok) return error;
    const std::uint64_t after = port::ticks();
    for (std::size_t i = 0; i < method.outputs_size(); ++i) {
        const EValue& value = method.get_output(i);
        if (!value.isTensor()) return Error::InvalidType;
        const auto& tensor = value.toTensor();
        send_output(vector, static_cast<std::uint32_t>(i),
                    {static_cast<const std::uint8_t*>(tensor.const_data_ptr()), tensor.nbytes()});
    }
    Frame frame('V');
    frame.u32(vector);
    frame.u64(after - before);
    frame.u64(port::npu_cycles());
    frame.send();
    return Error::Ok;
}

void send_hello(const Vectors& vectors, const Method& method) {
    Frame frame('H');
    frame.u32(protocol);
    frame.u32(vectors.count);
    frame.u32(static_cast<std::uint32_t>(method.outputs_size()));
    frame.bytes(vectors.model_digest);
    frame.text(port::board_name());
    frame.send();
}

// rest: what is left of the arena after the planned buffers. scratch: the temporary memory.
void send_memory(const port::Memory& memory, std::size_t planned, const Range& rest, const Range& scratch) {
    const bool shared = &scratch == &rest;
    const std::size_t figures[] = {planned,
                                   memory.arena.size - static_cast<std::size_t>(rest.end - rest.first) + rest.peak,
                                   memory.arena.size,
                                   shared ? 0 : scratch.peak,
                                   shared ? 0 : memory.scratch.size,
                                   memory.fast_scratch.size,
                                   port::stack_used(),
                                   port::stack_size()};
    Frame frame('M');
    for (const std::size_t bytes : figures) frame.u32(static_cast<std::uint32_t>(bytes));
    frame.send();
}

}  // namespace

int run() {
    executorch::runtime::runtime_init();
    const port::Memory memory = port::memory();
    Vectors vectors;
    if (!Vectors::open(memory.vectors, vectors).ok())
        return finish(exit_vectors, "test vectors are damaged", Error::InvalidArgument);
    const npu::Npu* npu = nullptr;
    if (!port::open_npu(npu).ok()) return finish(exit_npu, "no NPU answers at its address", Error::NotFound);
    InPlace loader(memory.model);
    Result<Program> program = Program::load(&loader);
    if (!program.ok()) return finish(exit_model, "program does not load", program.error());
    const Result<const char*> name = program->get_method_name(0);
    if (!name.ok()) return finish(exit_model, "program has no method", name.error());
    const auto meta = program->method_meta(*name);
    if (!meta.ok()) return finish(exit_model, "method has no description", meta.error());

    Arena arena{memory.arena};
    Span<std::uint8_t> pools[most_pools];
    const std::size_t count = meta->num_memory_planned_buffers();
    std::size_t planned = 0;
    if (count > most_pools) return finish(exit_memory, "program has too many planned buffers", Error::NotSupported);
    for (std::size_t i = 0; i < count; ++i) {
        MutableBytes pool;
        const auto bytes = static_cast<std::uint64_t>(*meta->memory_planned_buffer_size(i));
        if (!arena.allocate(bytes, 16, pool).ok())
            return finish(exit_memory, "arena is too small for the planned buffers", Error::MemoryAllocationFailed);
        pools[i] = {pool.data, pool.size};
        planned += pool.size;
    }
    Range rest({arena.memory.data + arena.used, arena.memory.size - arena.used}), own_scratch(memory.scratch);
    Range& scratch = memory.scratch.data == memory.arena.data ? rest : own_scratch;
    executorch_engine::set_heap(rest);
    Kept method_memory(rest);
    Temporary temporary(scratch);
    HierarchicalAllocator planned_memory({pools, count});
    MemoryManager manager(&method_memory, &planned_memory, &temporary);
    Result<Method> method = program->load_method(*name, &manager);
    if (!method.ok()) return finish(exit_model, "method does not load", method.error());
    if (method->inputs_size() != vectors.inputs || vectors.inputs > most_inputs)
        return finish(exit_vectors, "test vectors have another number of inputs", Error::InvalidArgument);

    send_hello(vectors, *method);
    Error error = Error::Ok;
    for (std::uint32_t vector = 0; vector < vectors.count && error == Error::Ok; ++vector) {
        error = run_vector(*method, vectors, vector);
        temporary.reset();
    }
    send_memory(memory, planned, rest, scratch);
    return finish(error == Error::Ok ? exit_done : exit_run, "method does not run", error);
}

}  // namespace etb::app
