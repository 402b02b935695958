// The register driver of Ethos-U55, U65 and U85: one job at a time, checked against the hardware before it starts.
//
// Registers, by their offsets from the base address:
//   00 ID      04 STATUS   08 CMD     0C RESET     10 QBASE (two words)   18 QREAD   1C QCONFIG   20 QSIZE
//   24 PROT    28 CONFIG   3C REGIONCFG            40 AXI_LIMIT0-3 (U85: MEM_ATTR0-3, then AXI_SRAM, AXI_EXT)
//   80 BASEP 0-7 (two words each)                  180 PMU (U85: 1180)
// A job: reset (which sets security and privilege and powers the NPU), AXI settings, stream and regions, run; after it
// the clock and the power are released. The reset before each job makes up for what a powered-down NPU has forgotten.
// Inaccuracies: written from public descriptions of the registers; run against models of them, on no hardware.
#pragma once

#include "npu/config.h"
#include "npu/npu.h"

namespace etb::npu {

// A part of the address space that the NPU sees at another address (the CPU's plus `offset`), or that the CPU's data
// cache never holds dirty or stale.
struct Window {
    std::uintptr_t first = 0, last = 0;
    std::uint32_t offset = 0;
    bool cacheable = true;
};

// How an NPU is connected: the values of its registers, as etbuild/firmware/npu_settings.py makes them from the board.
struct Settings {
    std::uint32_t protection = 1;  // RESET and PROT: bit 0 privileged, bit 1 non-secure
    // QCONFIG and REGIONCFG: the entries 0-3 that commands and regions use. On U55 and U65 an entry is a limit counter
    // of AXI port 0 (0, 1) or 1 (2, 3), on U85 a MEM_ATTR.
    std::uint32_t commands = 2, regions = 3;
    std::uint32_t axi[6] = {};  // from offset 40: four words, on U85 six
    std::uint64_t most_ticks = UINT64_MAX;
    const Window* windows = nullptr;
    std::size_t window_count = 0;

    [[nodiscard]] const Window* window_of(const void* address) const;
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
    // Write back and invalidate the whole cache: in place of the three above, before a job and after it, when its
    // memory is more than the cache holds.
    void (*flush_all)(void* context) = nullptr;
    std::uint64_t cache_bytes = UINT64_MAX;
    // `wait` waits a while; false when the time of this job is over. `begin` starts the time.
    void (*begin)(void* context) = nullptr;
    bool (*wait)(void* context) = nullptr;
    Settings settings;
};

struct Ethosu {
    Device device;
    std::uint32_t config = 0;    // of the hardware
    std::uint32_t identity = 0;  // ID of the hardware
    std::uint64_t cycles = 0;    // of the last job

    // Checks that there is an NPU, resets it and reads its CONFIG.
    Status open(const Device& of);
};

// ethosu must outlive the Npu. Status.number of a mismatch: the CONFIG word of the stream in the upper half, that of
// the hardware in the lower; etbuild/firmware/protocol.py tells this error from others by it. Where the architecture's
// versions differ: the two ID words. Of a fault: the status register.
Npu ethosu_npu(Ethosu& ethosu);

}  // namespace etb::npu
