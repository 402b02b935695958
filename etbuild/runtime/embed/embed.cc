// The functions of a package, for programs of others: open the model, set inputs, run, read outputs. It prints nothing.
//
// model_names.h, generated, gives the functions their names: ETB_NAME(open) is mnist_u55_open. One model a program.
#include <cstring>

#include "exec/method.h"
#include "model_names.h"
#include "port/port.h"

namespace etb::embed {
namespace {

constexpr std::size_t most_pools = 8;

struct Model {
    Program program;
    Arena arena;
    Arena scratch;
    MutableBytes pools[most_pools];
    Method method;
    Status status;
};

Model model;

// The memory-planned buffers.
Status take_pools(std::size_t method) {
    const auto sizes = model.program.plan(method).vector<std::int64_t>(field::ExecutionPlan::non_const_buffer_sizes);
    if (sizes.size > most_pools + 1)
        return error(Code::unsupported, "program has too many planned buffers", sizes.size);
    for (std::uint32_t i = 1; i < sizes.size; ++i)
        ETB_TRY(model.arena.allocate(static_cast<std::uint64_t>(sizes[i]), 16, model.pools[i - 1]));
    return {};
}

bool is_input(const Value& value) {
    for (std::size_t i = 0; i < model.method.inputs(); ++i)
        if (&model.method.input(i) == &value) return true;
    return false;
}

// Memory of the outputs that have none: not planned, no constant, no view, and not an input as well.
Status take_outputs() {
    for (std::size_t i = 0; i < model.method.outputs(); ++i) {
        const Value& value = model.method.output(i);
        if (value.type != ValueType::tensor || value.tensor->data || value.tensor->memory != Memory::callers ||
            is_input(value))
            continue;
        MutableBytes memory;
        ETB_TRY(model.arena.allocate(value.tensor->bytes(), 16, memory));
        ETB_TRY(model.method.set_output(i, memory));
    }
    return {};
}

// name: null for the first method.
Status find_method(const char* name, std::size_t& method) {
    for (method = 0; method < model.program.methods(); ++method)
        if (!name || std::strcmp(name, model.program.plan(method).string(field::ExecutionPlan::name)) == 0) return {};
    return error(Code::mismatch, "program has no such method", model.program.methods());
}

Status open(const char* name, Bytes pte, MutableBytes fast_scratch) {
    ETB_TRY(Program::open(pte, model.program));
    std::size_t method = 0;
    ETB_TRY(find_method(name, method));
    ETB_TRY(take_pools(method));
    Resources resources;
    resources.method = &model.arena;
    resources.temp = &model.scratch;
    resources.planned = {model.pools, most_pools};
    resources.fast_scratch = fast_scratch;
    resources.kernels = kernel_table;
    ETB_TRY(port::open_npu(resources.npu));
    ETB_TRY(model.method.load(model.program, method, resources));
    return take_outputs();
}

Status set_input(std::size_t i, MutableBytes data) {
    if (i >= model.method.inputs()) return error(Code::mismatch, "program has no such input", i);
    const Value& value = model.method.input(i);
    const Dims sizes = value.type == ValueType::tensor ? Dims(*value.tensor) : Dims();
    return model.method.set_input(i, sizes, data);
}

MutableBytes bytes(void* data, std::size_t size) { return {static_cast<std::uint8_t*>(data), size}; }

int noted(const Status& status) {
    model.status = status;
    return static_cast<int>(status.code);
}

}  // namespace
}  // namespace etb::embed

using etb::embed::bytes;
using etb::embed::model;
using etb::embed::noted;

int ETB_NAME(open)(void* arena, std::size_t arena_bytes, void* scratch, std::size_t scratch_bytes, void* fast_scratch,
                   std::size_t fast_scratch_bytes) {
    return ETB_NAME(open_method)(nullptr, arena, arena_bytes, scratch, scratch_bytes, fast_scratch, fast_scratch_bytes);
}

int ETB_NAME(open_method)(const char* method, void* arena, std::size_t arena_bytes, void* scratch,
                          std::size_t scratch_bytes, void* fast_scratch, std::size_t fast_scratch_bytes) {
    model.arena = etb::Arena{bytes(arena, arena_bytes)};
    model.scratch = etb::Arena{bytes(scratch, scratch_bytes)};
    return noted(etb::embed::open(method, {ETB_PTE, ETB_PTE_BYTES}, bytes(fast_scratch, fast_scratch_bytes)));
}

int ETB_NAME(set_input)(std::size_t i, const void* data, std::size_t size) {
    // Only a model that updates its inputs in place writes to them.
    return noted(etb::embed::set_input(i, bytes(const_cast<void*>(data), size)));
}

int ETB_NAME(run)(void) { return noted(model.method.run({})); }

const void* ETB_NAME(output)(std::size_t i, std::size_t* size) {
    if (i >= model.method.outputs() || model.method.output(i).type != etb::ValueType::tensor) return nullptr;
    const etb::Tensor& tensor = *model.method.output(i).tensor;
    if (size) *size = tensor.bytes();
    return tensor.data;
}

const char* ETB_NAME(error)(void) { return model.status.ok() ? "" : model.status.text; }

std::size_t ETB_NAME(arena_used)(void) { return model.arena.peak; }
