// What a platform gives to the app. One implementation is linked: port/cortex_m for boards, a test's own on the host.
#pragma once

#include "npu/npu.h"

namespace etb::port {

// Memory that a firmware works with. scratch.data == arena.data: they share what is left of one region.
struct Memory {
    Bytes model;
    Bytes vectors;
    MutableBytes arena;
    MutableBytes scratch;
    MutableBytes fast_scratch;
};

Memory memory();

// Whether the firmware has planned buffers outside of the arena; only then `planned_buffer` is linked.
#ifdef ETB_PLACED_BUFFERS
constexpr bool places_buffers = true;
#else
constexpr bool places_buffers = false;
#endif
// The memory of the planned buffer with this memory id, null for one in the arena. From the generated planned.cc.
MutableBytes planned_buffer(std::size_t memory_id);

const char* board_name();

// The NPU behind the model's delegates, ready for work; null when the model has none.
Status open_npu(const npu::Npu*& npu);
// Cycles of the NPU in the last job; 0 where nothing counts them.
std::uint64_t npu_cycles();

// Ticks since start-up, of the board's counter.
std::uint64_t ticks();

std::size_t stack_size();
// The deepest that the stack ever was.
std::size_t stack_used();

// To the board's console, as it is.
void write(Bytes text);
// Ends the simulation, or the firmware's work.
[[noreturn]] void exit(int code);

}  // namespace etb::port
