// The fault handler: it reports the fault status and the stacked registers, and exits. It does not return.
#pragma once

namespace etb::port {

void enable_faults();
extern "C" void etb_fault();  // for every vector that has no handler of its own

}  // namespace etb::port
