// The host library. The only part of the runtime that allocates from the heap: it is the caller of the rest.
#include "port/host/host.h"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <utility>
#include <vector>

#include "exec/method.h"
#include "fast/fast.h"
#include "npu/emulator.h"
#include "port/host/buffer.h"
#include "port/host/describe_value.h"
#include "port/host/watch.h"

using namespace etb;

struct etb_program {
    Budget budget;
    Buffer pte;
    Buffer ptd;
    Buffer method_memory;
    Buffer temp_memory;
    Buffer fast_scratch;
    Buffers planned;
    std::vector<const Kernel*> kernels;
    Buffers inputs;   // of inputs without planned memory
    Buffers outputs;  // of outputs without planned memory
    Program program;
    DataFile data;
    npu::Emulator emulator{fast::paths()[0].u55_u65, fast::paths()[0].u85};
    npu::Npu npu = npu::emulated_npu(emulator);
    Arena method_arena;
    Arena temp_arena;
    Method method;
    std::unique_ptr<Watch> watch;
    std::uint64_t watched = 0;  // bytes of the budget that the watch has
    Status status;
    char text[512] = "";

    Status open(size_t fast_scratch_bytes, size_t number) {
        ETB_TRY(Program::open(pte.span(), program));
        if (ptd.size) ETB_TRY(DataFile::open(ptd.span(), data));
        if (number >= program.methods()) return error(Code::mismatch, "program has no such method", number);
        ETB_TRY(fast_scratch.allocate(budget, fast_scratch_bytes));
        ETB_TRY(allocate_planned(number));
        ETB_TRY(load(number));
        std::uint64_t bytes = 0;
        ETB_TRY(method.temp_needed(bytes));
        ETB_TRY(temp_memory.allocate(budget, bytes));
        temp_arena = Arena{temp_memory.span()};
        ETB_TRY(inputs.count(budget, method.inputs()));
        ETB_TRY(allocate_outputs());
        for (std::size_t i = 0; i < method.outputs(); ++i)
            if (method.output(i).type == ValueType::tensor) ETB_TRY(budget.take(method.output(i).tensor->bytes()));
        return {};
    }

    Status allocate_planned(size_t number) {
        const auto sizes = program.plan(number).vector<std::int64_t>(field::ExecutionPlan::non_const_buffer_sizes);
        const std::size_t count = sizes.size ? sizes.size - 1 : 0;
        ETB_TRY(planned.count(budget, count));
        for (std::size_t i = 0; i < count; ++i)
            ETB_TRY(planned.fill(budget, i, static_cast<std::uint64_t>(sizes[i + 1])));
        return {};
    }

    // The memory of a loaded method is known only after loading: try with more until it fits.
    Status load(size_t number) {
        Resources resources;
        resources.method = &method_arena;
        resources.temp = &temp_arena;
        resources.planned = {planned.spans.data(), planned.spans.size()};
        resources.fast_scratch = fast_scratch.span();
        resources.kernels = {kernels.data(), kernels.size()};
        resources.npu = &npu;
        resources.data = ptd.size ? &data : nullptr;
        resources.poison = true;
        temp_arena = Arena{{nullptr, static_cast<std::size_t>(budget.limit)}};  // load allocates nothing from it
        for (std::uint64_t bytes = std::uint64_t{64} << 10;; bytes *= 4) {
            const std::uint64_t most = budget.left + method_memory.size;
            ETB_TRY(method_memory.allocate(budget, std::min(bytes, most)));
            method_arena = Arena{method_memory.span()};
            const Status loaded = method.load(program, number, resources);
            if (loaded.code != Code::no_memory) return loaded;
            if (bytes >= most) return budget.take(budget.left + 1);
        }
    }

    Status allocate_outputs() {
        ETB_TRY(outputs.count(budget, method.outputs()));
        for (std::size_t i = 0; i < method.outputs(); ++i) {
            const Value& value = method.output(i);
            if (value.type != ValueType::tensor || value.tensor->data || value.tensor->memory != Memory::callers)
                continue;
            bool is_input = false;
            for (std::size_t k = 0; k < method.inputs(); ++k) is_input = is_input || &method.input(k) == &value;
            if (is_input) continue;
            ETB_TRY(outputs.fill(budget, i, value.tensor->bytes()));
            ETB_TRY(method.set_output(i, outputs.spans[i]));
        }
        return {};
    }

    // A watch in place of the last one. histories: bytes that it needs at once.
    Status start_watch(bool follows, std::uint64_t histories) {
        watch = nullptr;
        budget.give_back(std::exchange(watched, 0));
        ETB_TRY(budget.take(histories));
        watched = histories;
        watch = std::make_unique<Watch>(method.delegates(), fast_scratch.size, follows, budget.left);
        return {};
    }

    Status record(etb_left left) {
        ETB_TRY(start_watch(false, 0));
        ETB_TRY(method.run(watch->monitor(true, left)));
        return watch->is_full() ? budget.take(budget.left + 1) : Status();
    }

    Status observe(bool hazards) {
        std::uint64_t histories = 0;  // of one delegate at a time
        for (std::size_t i = 0; hazards && i < method.delegates().size; ++i)
            histories = std::max(histories, Watch::history_bytes(method.delegates()[i], fast_scratch.size));
        ETB_TRY(start_watch(hazards, histories));
        ETB_TRY(method.run(watch->monitor()));
        return watch->is_full() ? budget.take(budget.left + 1) : Status();
    }

    int finish(Status result) {
        status = result;
        if (result.ok()) return 0;
        if (budget.refused) {
            std::snprintf(text, sizeof text,
                          "memory: got a program that asks for at least %llu bytes, wanted at most %llu\n"
                          "    if you trust it: etbuild run --memory-limit SIZE; in a recipe run: {memory_limit: SIZE}",
                          static_cast<unsigned long long>(std::exchange(budget.refused, 0)),
                          static_cast<unsigned long long>(budget.limit));
            return static_cast<int>(result.code);
        }
        const Place& place = method.place();
        char where[200] = "";
        if (*place.name)
            std::snprintf(where, sizeof where, "%s%s%s: ", place.name, *place.overload ? "." : "", place.overload);
        std::snprintf(text, sizeof text, "%s%s (%llu)", where, result.text,
                      static_cast<unsigned long long>(result.number));
        return static_cast<int>(result.code);
    }

    // keeps: whether to record what each operation stored.
    Status run_delegate(size_t index, const void* const* sources, void* const* targets, bool keeps) {
        if (index >= method.delegates().size) return error(Code::mismatch, "program has no such delegate", index);
        const EthosU& delegate = method.delegates()[index];
        const std::size_t count = delegate.inputs() + delegate.outputs();
        Budget own{budget.left, budget.left, 0};
        Buffer memory;
        ETB_TRY(memory.allocate(
            own, count * (sizeof(Value*) + sizeof(Value) + sizeof(Tensor) + 2 * sizeof(std::int32_t)) + 64));
        Arena arena{memory.span()};
        Span<Value*> args;
        Span<Value> values;
        Span<Tensor> tensors;
        Span<std::int32_t> sizes;
        ETB_TRY(arena.array(count, args));
        ETB_TRY(arena.array(count, values));
        ETB_TRY(arena.array(count, tensors));
        ETB_TRY(arena.array(count, sizes));
        static const std::uint8_t order[] = {0};
        for (std::size_t i = 0; i < count; ++i) {
            const bool is_input = i < delegate.inputs();
            const EthosU::Place where = is_input ? delegate.input(i) : delegate.output(i - delegate.inputs());
            sizes[i] = static_cast<std::int32_t>(where.bytes() / where.element_bytes);
            const DType type = where.element_bytes == 4   ? DType::i32
                               : where.element_bytes == 2 ? DType::i16
                                                          : DType::i8;
            tensors[i] = Tensor{type,      1,     Memory::callers, false,
                                &sizes[i], order, nullptr,         static_cast<std::size_t>(where.bytes())};
            // The delegate only reads its inputs.
            tensors[i].data =
                static_cast<std::uint8_t*>(is_input ? const_cast<void*>(sources[i]) : targets[i - delegate.inputs()]);
            values[i] = Value();
            values[i].type = ValueType::tensor;
            values[i].tensor = &tensors[i];
            args[i] = &values[i];
        }
        ETB_TRY(start_watch(true, Watch::history_bytes(delegate, fast_scratch.size)));
        watch->begin_delegate(index, keeps);
        const Status ran = method.run_delegate(index, {args.data, args.size}, watch->observer());
        watch->end_delegate(keeps);
        return ran;
    }
};

etb_program* etb_open(const void* pte, size_t pte_bytes, const void* ptd, size_t ptd_bytes, size_t fast_scratch,
                      uint64_t memory_limit, const void* kernels, size_t kernel_count, size_t method) {
    auto* program = new etb_program;
    program->kernels.assign(kernel_table.begin(), kernel_table.end());
    const auto* more = static_cast<const Kernel* const*>(kernels);
    program->kernels.insert(program->kernels.end(), more, more + kernel_count);  // the last of one name is called
    program->budget = {memory_limit, memory_limit, 0};
    Status status = program->pte.copy(program->budget, pte, pte_bytes);
    if (status.ok() && ptd_bytes) status = program->ptd.copy(program->budget, ptd, ptd_bytes);
    if (status.ok()) status = program->open(fast_scratch, method);
    program->finish(status);
    return program;
}

size_t etb_emulators(const etb_program*) { return fast::paths().size; }

const char* etb_emulator(const etb_program*, size_t number) {
    return number < fast::paths().size ? fast::paths()[number].name : nullptr;
}

int etb_choose_emulator(etb_program* program, size_t number) {
    if (number >= fast::paths().size) return program->finish(error(Code::mismatch, "no such emulator", number));
    program->emulator.u55_u65 = fast::paths()[number].u55_u65;
    program->emulator.u85 = fast::paths()[number].u85;
    return program->finish({});
}

void etb_close(etb_program* program) { delete program; }

int etb_status(const etb_program* program) { return static_cast<int>(program->status.code); }

const char* etb_error(const etb_program* program) { return program->text; }

const char* etb_method(const etb_program* program) { return program->method.name(); }

etb_memory etb_memory_used(const etb_program* program) {
    etb_memory used{program->method_arena.peak, 0, program->temp_memory.size};
    for (const Buffer& pool : program->planned.all) used.planned += pool.size;
    return used;
}

size_t etb_inputs(const etb_program* program) { return program->method.inputs(); }

size_t etb_outputs(const etb_program* program) { return program->method.outputs(); }

size_t etb_delegates(const etb_program* program) { return program->method.delegates().size; }

int etb_input(etb_program* program, size_t index, etb_value* value) {
    if (index >= program->method.inputs()) return program->finish(error(Code::mismatch, "no such input", index));
    const Value& input = program->method.input(index);
    describe_value(input, *value);
    if (input.type != ValueType::tensor) value->dynamic = program->method.is_read(input);
    return 0;
}

int etb_output(etb_program* program, size_t index, etb_value* value) {
    if (index >= program->method.outputs()) return program->finish(error(Code::mismatch, "no such output", index));
    describe_value(program->method.output(index), *value);
    return 0;
}

int etb_set_input(etb_program* program, size_t index, const int32_t* sizes, size_t rank, const void* data,
                  size_t bytes) {
    if (index >= program->method.inputs() || rank > max_rank)
        return program->finish(error(Code::mismatch, "no such input", index));
    const Dims dims(sizes, static_cast<int>(rank));
    const Status taken = program->inputs.fill(program->budget, index, bytes);
    if (!taken.ok()) return program->finish(taken);
    const MutableBytes copy = program->inputs.spans[index];
    if (bytes) std::memcpy(copy.data, data, bytes);
    return program->finish(program->method.set_input(index, dims, copy));
}

int etb_run(etb_program* program) { return program->finish(program->method.run({})); }

int etb_observe(etb_program* program, int hazards) { return program->finish(program->observe(hazards != 0)); }

int etb_record(etb_program* program, etb_left left) { return program->finish(program->record(left)); }

int etb_value_at(etb_program* program, size_t index, etb_value* value) {
    if (index >= program->method.values()) return program->finish(error(Code::mismatch, "no such value", index));
    describe_value(program->method.value(index), *value);
    return 0;
}

const etb_event* etb_events(const etb_program* program, size_t* count) {
    *count = program->watch ? program->watch->events.size() : 0;
    return *count ? program->watch->events.data() : nullptr;
}

const etb_hazard* etb_hazards(const etb_program* program, size_t* count) {
    *count = program->watch ? program->watch->hazards.size() : 0;
    return *count ? program->watch->hazards.data() : nullptr;
}

size_t etb_delegate_inputs(const etb_program* program, size_t delegate) {
    return delegate < etb_delegates(program) ? program->method.delegates()[delegate].inputs() : 0;
}

size_t etb_delegate_outputs(const etb_program* program, size_t delegate) {
    return delegate < etb_delegates(program) ? program->method.delegates()[delegate].outputs() : 0;
}

uint64_t etb_delegate_bytes(const etb_program* program, size_t delegate, size_t index) {
    if (delegate >= etb_delegates(program)) return 0;
    const EthosU& one = program->method.delegates()[delegate];
    if (index >= one.inputs() + one.outputs()) return 0;
    return (index < one.inputs() ? one.input(index) : one.output(index - one.inputs())).bytes();
}

int etb_run_delegate(etb_program* program, size_t delegate, const void* const* inputs, void* const* outputs) {
    return program->finish(program->run_delegate(delegate, inputs, outputs, false));
}

int etb_trace_delegate(etb_program* program, size_t delegate, const void* const* inputs, void* const* outputs) {
    return program->finish(program->run_delegate(delegate, inputs, outputs, true));
}

const etb_result* etb_results(const etb_program* program, size_t* count) {
    *count = program->watch ? program->watch->results.size() : 0;
    return *count ? program->watch->results.data() : nullptr;
}

const int32_t* etb_result_values(const etb_program* program, size_t* count) {
    *count = program->watch ? program->watch->values.size() : 0;
    return *count ? program->watch->values.data() : nullptr;
}

int64_t etb_writer(const etb_program* program, size_t delegate, size_t output, uint64_t byte) {
    if (!program->watch || delegate >= etb_delegates(program)) return -1;
    const EthosU& one = program->method.delegates()[delegate];
    if (output >= one.outputs()) return -1;
    return program->watch->writer(1, one.output(output).offset + byte);
}
