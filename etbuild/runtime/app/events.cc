#include "app/events.h"

#include "app/frame.h"
#include "port/port.h"

namespace etb::app {
namespace {

struct Events {
    const Method* method = nullptr;
    std::uint32_t vector = 0;
    std::uint64_t start = 0;  // of the run
    std::uint64_t begin = 0;  // of the instruction
    std::uint64_t spent = 0;  // on frames
};

Events state;

void send_result(std::uint32_t instruction, std::uint32_t number, const Tensor& tensor) {
    constexpr std::size_t most = most_data - 20;
    const Bytes data{tensor.data, tensor.data ? tensor.bytes() : 0};
    std::size_t at = 0;
    do {
        Frame frame('R');
        frame.u32(state.vector);
        frame.u32(instruction);
        frame.u32(number);
        frame.u32(static_cast<std::uint32_t>(at));
        frame.u32(static_cast<std::uint32_t>(data.size));
        frame.bytes({data.data + at, data.size - at < most ? data.size - at : most});
        frame.send();
        at += most;
    } while (at < data.size);
}

void send_value(std::uint32_t instruction, std::uint32_t& number, const Value& value) {
    if (value.type == ValueType::tensor) send_result(instruction, number++, *value.tensor);
    if (value.type != ValueType::tensors && value.type != ValueType::optional_tensors) return;
    for (std::uint32_t i = 0; i < value.count; ++i)
        if (value.items[i]) send_value(instruction, number, *value.items[i]);
}

// The results of a delegate follow its inputs; that of a kernel is its last argument, a list where it has several.
void send_results(const Place& place) {
    const Table chain = state.method->plan().tables(field::ExecutionPlan::chains)[0];
    const Table row = chain.tables(field::Chain::instructions)[place.instruction];
    const Vector<std::int32_t> args = row.table(field::Instruction::instr_args).vector<std::int32_t>(field::call::args);
    const bool is_delegate = place.kind == Instruction::delegate;
    const std::size_t first = is_delegate ? state.method->delegates()[place.index].inputs()
                              : args.size ? args.size - 1
                                          : 0;
    std::uint32_t number = 0;
    for (std::size_t i = first; i < args.size; ++i)
        send_value(place.instruction, number, state.method->value(static_cast<std::size_t>(args[i])));
}

void before(void*, const Place&) { state.begin = port::ticks(); }

void after(void*, const Place& place) {
    const std::uint64_t end = port::ticks();
    if (place.kind != Instruction::kernel && place.kind != Instruction::delegate) return;
    Frame frame('I');
    frame.u32(state.vector);
    frame.u32(place.instruction);
    frame.u64(state.begin - state.start - state.spent);
    frame.u64(end - state.begin);
    frame.u64(place.kind == Instruction::delegate ? port::npu_cycles() : 0);
    frame.send();
    send_results(place);
    state.spent += port::ticks() - end;
}

}  // namespace

Monitor event_monitor(const Method& method, std::uint32_t vector) {
    state = {&method, vector, port::ticks(), 0, 0};
    return {nullptr, before, after, nullptr};
}

std::uint64_t event_ticks() { return state.spent; }

}  // namespace etb::app
