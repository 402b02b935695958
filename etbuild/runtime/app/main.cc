#include <cstring>

#include "app/app.h"
#include "app/events.h"
#include "app/exit.h"
#include "app/frame.h"
#include "app/methods.h"
#include "app/vectors.h"
#include "exec/method.h"
#include "port/port.h"

namespace etb::app {
namespace {

constexpr std::uint32_t protocol = 1;
constexpr std::size_t most_pools = 8;

struct App {
    port::Memory memory;
    Program program;
    Vectors vectors;
    Arena arena;
    Arena own_scratch;
    MutableBytes pools[most_pools];
    Method method;
    std::size_t planned = 0;  // bytes of the planned buffers

    // If arena and scratch are one region, the scratch is allocated from what the arena leaves.
    Arena& scratch() { return memory.scratch.data == memory.arena.data ? arena : own_scratch; }
};

App app;

// Of the methods that were run before the current one, where the program has several.
struct Earlier {
    std::uint32_t vectors = 0;
    std::size_t planned = 0, arena = 0, scratch = 0;  // the most of each, in bytes
};

Earlier earlier;

std::size_t most(std::size_t a, std::size_t b) { return a < b ? b : a; }

void send_error(const Status& status, const Place& place) {
    Frame frame('L');
    frame.u32(static_cast<std::uint32_t>(status.code));
    frame.u64(status.number);
    // The host finds the text in the ELF file; see base/log.h.
    frame.u32(static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(status.text)));
    frame.text(place.name);
    if (*place.overload) {
        frame.text(".");
        frame.text(place.overload);
    }
    frame.send();
}

int finish(Exit code, const Status& status) {
    if (!status.ok()) send_error(status, app.method.place());
    send_end(code);
    return code;
}

void send_hello() {
    Frame frame('H');
    frame.u32(protocol);
    frame.u32(several_methods ? vectors_in(app.memory.vectors) : app.vectors.count);
    frame.u32(several_methods ? 0 : static_cast<std::uint32_t>(app.method.outputs()));
    frame.bytes(app.vectors.model_digest);
    frame.text(port::board_name());
    frame.send();
}

void send_memory() {
    Frame frame('M');
    const bool shared = app.memory.scratch.data == app.memory.arena.data;
    const std::size_t figures[] = {app.planned,
                                   app.arena.peak,
                                   app.memory.arena.size,
                                   shared ? 0 : app.own_scratch.peak,
                                   shared ? 0 : app.memory.scratch.size,
                                   app.memory.fast_scratch.size,
                                   port::stack_used(),
                                   port::stack_size()};
    for (const std::size_t bytes : figures) frame.u32(static_cast<std::uint32_t>(bytes));
    frame.send();
}

Bytes bytes_of(const Value& value) {
    switch (value.type) {
        case ValueType::tensor:
            return {value.tensor->data, value.tensor->bytes()};
        case ValueType::integer:
        case ValueType::real:
            return {reinterpret_cast<const std::uint8_t*>(&value.integer), 8};
        case ValueType::boolean:
            return {reinterpret_cast<const std::uint8_t*>(&value.boolean), 1};
        default:
            return {};
    }
}

// Allocates the memory-planned buffers that have no region of their own.
Status take_pools(std::size_t method) {
    const auto sizes = app.program.plan(method).vector<std::int64_t>(field::ExecutionPlan::non_const_buffer_sizes);
    if (sizes.size > most_pools + 1)
        return error(Code::unsupported, "program has too many planned buffers", sizes.size);
    for (std::uint32_t i = 1; i < sizes.size; ++i) {
        if constexpr (port::places_buffers) {
            app.pools[i - 1] = port::planned_buffer(i);
            app.planned += app.pools[i - 1].size;
            if (app.pools[i - 1].data) continue;
        }
        ETB_TRY(app.arena.allocate(static_cast<std::uint64_t>(sizes[i]), 16, app.pools[i - 1]));
        app.planned += app.pools[i - 1].size;
    }
    return {};
}

bool is_input(const Value& value) {
    for (std::size_t i = 0; i < app.method.inputs(); ++i)
        if (&app.method.input(i) == &value) return true;
    return false;
}

// Allocates the outputs that have no memory yet: not planned, no constant, no view, and not an input as well.
Status take_outputs() {
    for (std::size_t i = 0; i < app.method.outputs(); ++i) {
        const Value& value = app.method.output(i);
        if (value.type != ValueType::tensor || value.tensor->data || value.tensor->memory != Memory::callers ||
            is_input(value))
            continue;
        MutableBytes memory;
        ETB_TRY(app.arena.allocate(value.tensor->bytes(), 16, memory));
        ETB_TRY(app.method.set_output(i, memory));
    }
    return {};
}

Status load(std::size_t method) {
    app.arena = Arena{app.memory.arena};
    app.own_scratch = Arena{app.memory.scratch};
    ETB_TRY(Program::open(app.memory.model, app.program));
    if (app.program.methods() == 0) return error(Code::malformed, "program has no method");
    ETB_TRY(take_pools(method));
    Resources resources;
    resources.method = &app.arena;
    resources.temp = &app.scratch();
    resources.planned = {app.pools, most_pools};
    resources.fast_scratch = app.memory.fast_scratch;
    resources.kernels = kernel_table;
    ETB_TRY(port::open_npu(resources.npu));
    ETB_TRY(app.method.load(app.program, method, resources));
    if (app.method.inputs() != app.vectors.inputs)
        return error(Code::mismatch, "test vectors have another number of inputs than the program", app.vectors.inputs);
    return take_outputs();
}

Status run_vector(std::uint32_t vector) {
    const std::uint32_t number = several_methods ? earlier.vectors + vector : vector;
    for (std::size_t i = 0; i < app.method.inputs(); ++i) {
        const Bytes data = app.vectors.data(vector, i);
        const Dims sizes(app.vectors.sizes(i), static_cast<int>(app.vectors.rank(i)));
        // The vectors are read-only. Only a model that mutates its inputs (aten::copy_) would write to them.
        ETB_TRY(app.method.set_input(i, sizes, {const_cast<std::uint8_t*>(data.data), data.size}));
    }
    const std::uint64_t before = port::ticks();
    if constexpr (events) {
        ETB_TRY(app.method.run(event_monitor(app.method, number)));
    } else {
        ETB_TRY(app.method.run({}));
    }
    const std::uint64_t after = port::ticks() - (events ? event_ticks() : 0);
    for (std::size_t i = 0; i < app.method.outputs(); ++i)
        send_output(number, static_cast<std::uint32_t>(i), bytes_of(app.method.output(i)));
    Frame frame('V');
    frame.u32(number);
    frame.u64(after - before);
    frame.u64(port::npu_cycles());
    frame.send();
    return {};
}

Exit exit_of(Code code, Exit otherwise) {
    switch (code) {
        case Code::no_memory:
            return exit_memory;
        case Code::mismatch:
            return exit_other;
        case Code::timeout:
        case Code::fault:
            return exit_npu;
        default:
            return otherwise;
    }
}

// Makes the current method one of the earlier ones.
void leave_method() {
    earlier.vectors += app.vectors.count;
    earlier.planned = most(earlier.planned, app.planned);
    earlier.arena = most(earlier.arena, app.arena.peak);
    earlier.scratch = most(earlier.scratch, app.own_scratch.peak);
    app.planned = earlier.planned;
    app.arena.peak = earlier.arena;
    app.own_scratch.peak = earlier.scratch;
}

// Each method in turn, in all of the memory.
int run_methods() {
    Bytes blocks = app.memory.vectors;
    Status status;
    for (std::size_t method = 0; blocks.size && status.ok(); ++method) {
        status = Vectors::open(take_block(blocks), app.vectors);
        if (!status.ok()) return finish(exit_vectors, status);
        app.planned = 0;
        status = load(method);
        if (!status.ok()) return finish(exit_of(status.code, exit_model), status);
        if (method == 0) send_hello();
        send_method(app.method, app.vectors);
        for (std::uint32_t i = 0; i < app.vectors.count && status.ok(); ++i) status = run_vector(i);
        leave_method();
    }
    send_memory();
    return finish(status.ok() ? exit_done : exit_of(status.code, exit_run), status);
}

}  // namespace

int run() {
    app.memory = port::memory();
    if constexpr (several_methods) return run_methods();
    Status status = Vectors::open(app.memory.vectors, app.vectors);
    if (!status.ok()) return finish(exit_vectors, status);
    status = load(0);
    if (!status.ok()) return finish(exit_of(status.code, exit_model), status);
    send_hello();
    for (std::uint32_t vector = 0; vector < app.vectors.count && status.ok(); ++vector) status = run_vector(vector);
    send_memory();
    return finish(status.ok() ? exit_done : exit_of(status.code, exit_run), status);
}

}  // namespace etb::app
