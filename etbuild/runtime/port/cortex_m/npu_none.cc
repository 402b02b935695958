// For a firmware whose model has no delegates: there is no NPU.
#include "port/cortex_m/npu_port.h"
#include "port/port.h"

extern "C" void etb_npu_interrupt() {}

namespace etb::port {

Status open_npu(const npu::Npu*& npu) {
    npu = nullptr;
    return {};
}

std::uint64_t npu_cycles() { return 0; }

}  // namespace etb::port
