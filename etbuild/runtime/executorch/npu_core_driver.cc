// The board's NPU by Arm's core driver, which ExecuTorch's Ethos-U delegate calls.
#include <ethosu_driver.h>

#include "board.h"
#include "port/cortex_m/cache.h"
#include "port/cortex_m/npu_port.h"
#include "port/cortex_m/registers.h"
#include "port/port.h"

namespace {

ethosu_driver driver;

}  // namespace

extern "C" void etb_npu_interrupt() { ethosu_irq_handler(&driver); }

// Cache maintenance hooks, which the driver calls before and after a job.
extern "C" void ethosu_flush_dcache(std::uint32_t* address, std::size_t bytes) {
    etb::port::clean({reinterpret_cast<const std::uint8_t*>(address), bytes});
}

extern "C" void ethosu_invalidate_dcache(std::uint32_t* address, std::size_t bytes) {
    etb::port::invalidate({reinterpret_cast<const std::uint8_t*>(address), bytes});
}

namespace etb::port {

Status open_npu(const npu::Npu*& npu) {
    npu = nullptr;
    const MutableBytes fast = memory().fast_scratch;
    if (ethosu_init(&driver, reinterpret_cast<void*>(board::npu_address), fast.data, fast.size, 1, 1) != 0)
        return Status{Code::fault, "no NPU answers at its address"};
    nvic_iser(board::npu_interrupt / 32) = 1u << board::npu_interrupt % 32;
    return {};
}

std::uint64_t npu_cycles() { return 0; }

}  // namespace etb::port
