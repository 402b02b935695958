// Time: the core's cycle counter, or SysTick where there is none (QEMU). SysTick also wakes who waits too long.
#pragma once

namespace etb::port {

void open_clock();
extern "C" void etb_systick();

}  // namespace etb::port
