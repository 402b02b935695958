// Time: the core's cycle counter (DWT), or SysTick where there is none (QEMU). The SysTick interrupt also ends a WFI,
// so that waiting for the NPU can time out.
#pragma once

namespace etb::port {

void open_clock();
extern "C" void etb_systick();

}  // namespace etb::port
