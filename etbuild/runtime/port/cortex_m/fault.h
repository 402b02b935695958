// What a core exception tells: its status, the registers, and the exit code. Nothing returns from one.
#pragma once

namespace etb::port {

void enable_faults();
extern "C" void etb_fault();  // every entry of the vector table without an owner

}  // namespace etb::port
