// The NPU as an emulator on the CPU. `emulator`, defined in the firmware's generated source, selects the families that
// are linked.
#include "npu/emulator.h"
#include "port/cortex_m/npu_port.h"
#include "port/port.h"

extern "C" void etb_npu_interrupt() {}

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
