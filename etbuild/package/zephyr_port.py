"""The C++ of the Zephyr module: how the runtime reaches NPU, clock and console there. It is compiled by Zephyr only."""

from __future__ import annotations

# zephyr/port.cc.
PORT = """\
// What the runtime takes from Zephyr: clock, caches, and the NPU of the devicetree node `ethosu0`.
#include "port/port.h"

#include <zephyr/cache.h>
#include <zephyr/devicetree.h>
#include <zephyr/kernel.h>

#if DT_NODE_HAS_STATUS(DT_NODELABEL(ethosu0), okay)
#include "npu/ethosu.h"

namespace etb::port {

extern const npu::Settings npu_settings;

namespace {

constexpr std::uintptr_t base = DT_REG_ADDR(DT_NODELABEL(ethosu0));
constexpr std::int64_t most_ms = 10'000;

npu::Ethosu ethosu;
npu::Npu npu_of_board;
std::int64_t begun = 0;

volatile std::uint32_t& at(std::uint32_t offset) { return *reinterpret_cast<volatile std::uint32_t*>(base + offset); }

void clean(Bytes range) { sys_cache_data_flush_range(const_cast<std::uint8_t*>(range.data), range.size); }

void flush(Bytes range) { sys_cache_data_flush_and_invd_range(const_cast<std::uint8_t*>(range.data), range.size); }

void discard(Bytes range) { sys_cache_data_invd_range(const_cast<std::uint8_t*>(range.data), range.size); }

}  // namespace

// The NPU is polled: no interrupt is needed, and other threads run meanwhile.
Status open_npu(const npu::Npu*& npu) {
    npu::Device device;
    device.read = [](void*, std::uint32_t offset) -> std::uint32_t { return at(offset); };
    device.write = [](void*, std::uint32_t offset, std::uint32_t value) { at(offset) = value; };
    device.clean = [](void*, Bytes range) { clean(range); };
    device.flush = [](void*, Bytes range) { flush(range); };
    device.discard = [](void*, Bytes range) { discard(range); };
    device.begin = [](void*) { begun = k_uptime_get(); };
    device.wait = [](void*) {
        k_yield();
        return k_uptime_get() - begun < most_ms;
    };
    device.settings = npu_settings;
    ETB_TRY(ethosu.open(device));
    npu_of_board = npu::ethosu_npu(ethosu);
    npu = &npu_of_board;
    return {};
}

std::uint64_t npu_cycles() { return ethosu.cycles; }

}  // namespace etb::port

#elif __has_include("npu/emulator.h") && defined(ETB_EMULATED)
#include "npu/emulator.h"

namespace etb::port {

extern const npu::Emulator emulator;

Status open_npu(const npu::Npu*& npu) {
    static npu::Npu emulated;
    emulated = npu::emulated_npu(emulator);
    npu = &emulated;
    return {};
}

std::uint64_t npu_cycles() { return 0; }

}  // namespace etb::port

#else

namespace etb::port {

Status open_npu(const npu::Npu*& npu) {
    npu = nullptr;
    return {};
}

std::uint64_t npu_cycles() { return 0; }

}  // namespace etb::port

#endif

namespace etb::port {

std::uint64_t ticks() { return k_cycle_get_32(); }

}  // namespace etb::port
"""

# zephyr/samples/frames/src/main.cc; @...@ are replaced.
SAMPLE_MAIN = """\
// Runs the test vectors of @NAME@ and prints their results as frames: docs/firmware-protocol.md of etbuild.
#include "@NAME@.h"

#include <zephyr/device.h>
#include <zephyr/devicetree.h>
#include <zephyr/drivers/uart.h>
#include <zephyr/kernel.h>

#include "app/app.h"
#include "model.h"
#include "port/port.h"

extern "C" const std::uint8_t @NAME@_vectors[], @NAME@_vectors_end[];

namespace {

// The NPU must reach them: put them into its memory where that is not the default one.
alignas(32) std::uint8_t arena[@MACRO@_ARENA_BYTES];
alignas(32) std::uint8_t scratch[@MACRO@_SCRATCH_BYTES + 32];
alignas(32) std::uint8_t fast_scratch[@MACRO@_FAST_SCRATCH_BYTES + 32];

}  // namespace

namespace etb::port {

Memory memory() {
    return {{@SYMBOL@, sizeof @SYMBOL@},
            {@NAME@_vectors, static_cast<std::size_t>(@NAME@_vectors_end - @NAME@_vectors)},
            {arena, sizeof arena},
            {scratch, sizeof scratch},
            {fast_scratch, sizeof fast_scratch}};
}

const char* board_name() { return "@BOARD@"; }

std::size_t stack_size() { return CONFIG_MAIN_STACK_SIZE; }

std::size_t stack_used() { return 0; }

void write(Bytes text) {
    const device* const console = DEVICE_DT_GET(DT_CHOSEN(zephyr_console));
    for (std::size_t i = 0; i < text.size; ++i) uart_poll_out(console, text.data[i]);
}

[[noreturn]] void exit(int) {
    for (;;) k_sleep(K_FOREVER);
}

}  // namespace etb::port

int main() {
    return etb::app::run();
}
"""
