// From reset to the app: stack and stack limit, FPU, vector table and faults, .data and .bss, the board's own sources,
// caches, clock, console, constructors.
#include <cstring>

#include "app/app.h"
#include "board.h"
#include "port/cortex_m/cache.h"
#include "port/cortex_m/clock.h"
#include "port/cortex_m/console.h"
#include "port/cortex_m/fault.h"
#include "port/cortex_m/npu_port.h"
#include "port/cortex_m/registers.h"
#include "port/port.h"

extern "C" {
// From the linker script.
extern std::uint32_t etb_stack[], etb_stack_top[];
extern std::uint8_t etb_data[], etb_data_end[], etb_data_load[], etb_bss[], etb_bss_end[];
extern std::uint8_t etb_model[], etb_model_end[], etb_vectors[], etb_vectors_end[];
extern std::uint8_t etb_arena[], etb_arena_end[], etb_scratch[], etb_scratch_end[];
extern std::uint8_t etb_fast_scratch[], etb_fast_scratch_end[];
extern void (*etb_init_array[])();
extern void (*etb_init_array_end[])();

[[noreturn]] void etb_reset();
[[noreturn, gnu::used]] void etb_start();
// Of port/board_init.h; linked only for a board with sources of its own.
[[gnu::weak]] void etb_board_init();
}

namespace etb::port {
namespace {

constexpr std::uint32_t paint = 0xA5A5A5A5;
constexpr std::size_t entries = 16 + board::npu_interrupt + 1;

struct VectorTable {
    const void* stack_top;
    void (*entry[entries - 1])();
};

constexpr VectorTable vectors() {
    VectorTable table{etb_stack_top, {}};
    for (auto& entry : table.entry) entry = etb_fault;
    table.entry[0] = etb_reset;
    table.entry[14] = etb_systick;
    if (board::npu_address) table.entry[15 + board::npu_interrupt] = etb_npu_interrupt;
    return table;
}

[[gnu::section(".vectors"), gnu::used]] constexpr VectorTable vector_table = vectors();

// Fills the unused stack with a pattern, from which stack_used finds the peak.
void paint_stack() {
    std::uint32_t* const here = static_cast<std::uint32_t*>(__builtin_frame_address(0)) - 16;
    for (volatile std::uint32_t* word = etb_stack; word < here; ++word) *word = paint;
}

MutableBytes between(std::uint8_t* first, std::uint8_t* end) { return {first, static_cast<std::size_t>(end - first)}; }

}  // namespace

Memory memory() {
    return {between(etb_model, etb_model_end), between(etb_vectors, etb_vectors_end), between(etb_arena, etb_arena_end),
            between(etb_scratch, etb_scratch_end), between(etb_fast_scratch, etb_fast_scratch_end)};
}

const char* board_name() { return board::name; }

std::size_t stack_size() { return static_cast<std::size_t>(etb_stack_top - etb_stack) * sizeof(std::uint32_t); }

std::size_t stack_used() {
    const std::uint32_t* word = etb_stack;
    while (word < etb_stack_top && *word == paint) ++word;
    return static_cast<std::size_t>(etb_stack_top - word) * sizeof(std::uint32_t);
}

}  // namespace etb::port

// Assembly only: compiled code may use the FPU's registers, so none runs before the FPU is enabled.
extern "C" [[gnu::naked]] void etb_reset() {
    asm volatile(
        "ldr r0, =etb_stack_top\n"
        "msr msp, r0\n"
        "ldr r0, =etb_stack\n"
        "msr msplim, r0\n"
        "ldr r0, =0xE000ED88\n"  // CPACR: full access to CP10 and CP11
        "ldr r1, [r0]\n"
        "orr r1, r1, #0xF00000\n"
        "str r1, [r0]\n"
        "dsb\n"
        "isb\n"
        "b etb_start\n");
}

extern "C" void etb_start() {
    using namespace etb::port;
    paint_stack();
    vtor() = static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(&vector_table));
    enable_faults();
    std::memcpy(etb_data, etb_data_load, static_cast<std::size_t>(etb_data_end - etb_data));
    std::memset(etb_bss, 0, static_cast<std::size_t>(etb_bss_end - etb_bss));
    if (etb_board_init) etb_board_init();
    enable_caches();
    open_clock();
    open_console();
    for (auto** function = etb_init_array; function < etb_init_array_end; ++function) (*function)();
    exit(etb::app::run());
}
