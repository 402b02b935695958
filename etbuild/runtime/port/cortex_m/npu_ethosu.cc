// The board's NPU, by its registers. The CPU sleeps until the NPU's interrupt; SysTick wakes it up for the timeout.
#include "board.h"
#include "npu/ethosu.h"
#include "port/cortex_m/cache.h"
#include "port/cortex_m/npu_port.h"
#include "port/cortex_m/registers.h"
#include "port/port.h"

namespace etb::port {

extern const npu::Settings npu_settings;  // generated

namespace {

constexpr std::uint32_t cmd = 0x08, clear_interrupt = 1u << 1;

npu::Ethosu ethosu;
npu::Npu npu_of_board;
std::uint64_t begun = 0;

volatile std::uint32_t& at(std::uint32_t offset) {
    return *reinterpret_cast<volatile std::uint32_t*>(board::npu_address + offset);
}

// Sleeps until an interrupt if the NPU is running. Interrupts are masked meanwhile: one that arrives after the status
// was read stays pending and ends the WFI at once. false: the job has timed out.
bool wait(void*) {
    asm volatile("cpsid i" ::: "memory");
    const bool is_running = at(0x04) & 1;
    if (is_running) asm volatile("wfi" ::: "memory");
    asm volatile("cpsie i\n isb" ::: "memory");
    return ticks() - begun < npu_settings.most_ticks;
}

}  // namespace

Status open_npu(const npu::Npu*& npu) {
    npu::Device device;
    device.read = [](void*, std::uint32_t offset) -> std::uint32_t { return at(offset); };
    device.write = [](void*, std::uint32_t offset, std::uint32_t value) { at(offset) = value; };
    device.clean = [](void*, Bytes range) { clean(range); };
    device.flush = [](void*, Bytes range) { clean_and_invalidate(range); };
    device.discard = [](void*, Bytes range) { invalidate(range); };
    device.flush_all = [](void*) { clean_and_invalidate_all(); };
    device.cache_bytes = cache_bytes();
    device.begin = [](void*) { begun = ticks(); };
    device.wait = wait;
    device.settings = npu_settings;
    ETB_TRY(ethosu.open(device));
    nvic_iser(board::npu_interrupt / 32) = 1u << board::npu_interrupt % 32;
    npu_of_board = npu::ethosu_npu(ethosu);
    npu = &npu_of_board;
    return {};
}

std::uint64_t npu_cycles() { return ethosu.cycles; }

}  // namespace etb::port

extern "C" void etb_npu_interrupt() { etb::port::at(etb::port::cmd) = etb::port::clear_interrupt; }
