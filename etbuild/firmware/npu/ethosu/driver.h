// The register driver of a real Ethos-U55, U65 or U85, behind the same interface as the emulator.
// It touches the world through its Port only: the board's port gives it registers, an interrupt and caches; the tests
// give it a device model. It allocates nothing and knows no operating system.
#pragma once

#include "npu/config.h"
#include "npu/npu.h"

namespace etb::npu::ethosu {

// read, write: 32 bits at a byte offset of the register file.
// bus_address: where the NPU's bus sees this memory. null: the same number.
// wait: returns when the NPU has interrupted, or after a moment to be asked again; false when the job's time is over.
// clean, invalidate: data cache, before the NPU reads and after it wrote. null: there is none.
struct Port {
    void* context = nullptr;
    std::uint32_t (*read)(void* context, std::uint32_t offset) = nullptr;
    void (*write)(void* context, std::uint32_t offset, std::uint32_t value) = nullptr;
    std::uint64_t (*bus_address)(void* context, const void* memory) = nullptr;
    bool (*wait)(void* context) = nullptr;
    void (*clean)(void* context, Bytes memory) = nullptr;
    void (*invalidate)(void* context, Bytes memory) = nullptr;
};

// Register values that depend on how memory hangs on the NPU, as the board's maker gives them.
// region_config: two bits a region. memory: AXI_LIMIT0-3 (Ethos-U55, U65) or MEM_ATTR0-3 (U85).
struct Wiring {
    std::uint32_t queue_config = 2;
    std::uint32_t region_config = 0;
    std::uint32_t memory[4] = {};
    bool privileged = true;
    bool secure = true;
};

// Of the last job. events: what the four counters were told to count.
struct Counters {
    std::uint64_t cycles = 0;
    std::uint32_t events[4] = {};
};

// port must outlive the driver. event_types: PMU event numbers to count, 0 for none.
struct Driver {
    const Port* port = nullptr;
    Wiring wiring;
    std::uint32_t event_types[4] = {};
    Counters counters;
    bool needs_reset = true;
    char mismatch[64] = {};  // "compiled for ethos-u55-128, this NPU is ethos-u55-256"
};

// "ethos-u55-128" of a CONFIG word. out: 24 bytes are enough.
void npu_name(std::uint32_t config, char* out);

// driver must outlive the Npu. Errors: mismatch (another NPU), timeout, fault (number: bytes of the stream read before
// it), malformed. After a timeout or a fault the NPU is reset before its next job.
Npu ethosu_npu(Driver& driver);

}  // namespace etb::npu::ethosu
