#include "port/cortex_m/clock.h"

#include "board.h"
#include "port/cortex_m/registers.h"
#include "port/port.h"

namespace etb::port {
namespace {

constexpr std::uint32_t reload = 0xFFFFFF;
constexpr std::uint32_t systick_pending = 1u << 26;  // of ICSR

volatile std::uint32_t wraps = 0;  // number of SysTick interrupts

// Extends the 32-bit cycle counter to 64 bits. Correct if two calls are less than 2**32 cycles apart.
std::uint64_t cycles() {
    static std::uint64_t last = 0;
    last += dwt_cyccnt() - static_cast<std::uint32_t>(last);
    return last;
}

// Ticks since start-up from the 24-bit SysTick counter and its wraps, including one whose interrupt is still pending.
std::uint64_t systicks() {
    std::uint32_t before, value;
    bool pending;
    do {
        before = wraps;
        value = syst_cvr();
        pending = icsr() & systick_pending;
    } while (before != wraps);
    if (pending) {
        ++before;
        value = syst_cvr();
    }
    return std::uint64_t{before} * (reload + 1) + (reload - value);
}

}  // namespace

extern "C" void etb_systick() { wraps = wraps + 1; }

void open_clock() {
    if (board::has_cycle_counter) {
        demcr() = demcr() | 1u << 24;
        dwt_cyccnt() = 0;
        dwt_ctrl() = dwt_ctrl() | 1;
    }
    syst_rvr() = reload;
    syst_cvr() = 0;
    syst_csr() = 7;  // core clock, interrupt, on
}

std::uint64_t ticks() { return board::has_cycle_counter ? cycles() : systicks(); }

}  // namespace etb::port
