// The register driver of Ethos-U55, U65 and U85: one job at a time, checked against the hardware before it starts.
//
// Registers, by their offsets from the base address:
//   00 ID      04 STATUS   08 CMD     0C RESET     10 QBASE (two words)   18 QREAD   1C QCONFIG   20 QSIZE
//   24 PROT    28 CONFIG   3C REGIONCFG            40 AXI_LIMIT 0-3 (U85: memory attributes)      50 AXI_SRAM, AXI_EXT
//   (U85) 80 BASEP 0-7 (two words each)                  180 PMU (U85: 1180)
// Inaccuracies: written from public descriptions of the registers; run against a model of them, on no hardware.
#pragma once

#include "npu/config.h"
#include "npu/npu.h"

namespace etb::npu {

// Which AXI port, and which of its counters, carries what: 0 and 1 are the first port's, 2 and 3 the second's.
struct Ports {
    std::uint8_t commands = 2;
    std::uint8_t region[8] = {3, 0, 0, 0, 0, 0, 0, 0};
};

// Access of the driver to an NPU; every function gets `context`.
struct Device {
    void* context = nullptr;
    std::uint32_t (*read)(void* context, std::uint32_t offset) = nullptr;
    void (*write)(void* context, std::uint32_t offset, std::uint32_t value) = nullptr;
    // Before a job, for memory that the NPU reads: write back the CPU's cache.
    void (*clean)(void* context, Bytes range) = nullptr;
    // For memory that the NPU writes: before a job write back and invalidate, after it invalidate.
    void (*flush)(void* context, Bytes range) = nullptr;
    void (*discard)(void* context, Bytes range) = nullptr;
    // `wait` waits a while; false when the time of this job is over. `begin` starts the time.
    void (*begin)(void* context) = nullptr;
    bool (*wait)(void* context) = nullptr;
    Ports ports;
};

struct Ethosu {
    Device device;
    std::uint32_t config = 0;  // of the hardware
    std::uint64_t cycles = 0;  // of the last job

    // Checks that there is an NPU, resets it and reads its CONFIG.
    Status open(const Device& of);
};

// ethosu must outlive the Npu. Status.number of a mismatch: the CONFIG word of the stream in the upper half, that of
// the hardware in the lower; etbuild/firmware/protocol.py tells this error from others by it. Of a fault: the status
// register.
Npu ethosu_npu(Ethosu& ethosu);

}  // namespace etb::npu
