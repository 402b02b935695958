// The interface to an NPU, implemented by the emulator (npu/emulator.h) and by the register driver (npu/ethosu.h). It
// is independent of .pte files: a job is a driver payload, as Vela writes it, and the memory regions that it may
// access.
#pragma once

#include "base/arena.h"
#include "base/span.h"

namespace etb::npu {

// A memory region. Addresses in the command stream are byte offsets into a region. data is 16-byte aligned.
struct Region {
    const std::uint8_t* data = nullptr;
    std::size_t size = 0;
    bool writable = false;

    static Region read_only(Bytes bytes) { return {bytes.data, bytes.size, false}; }
    static Region read_write(MutableBytes bytes) { return {bytes.data, bytes.size, true}; }
};

// Asked before each access of a job whose regions are wider than the memory behind them; false: no memory answers.
struct Reach {
    void* context = nullptr;
    bool (*touch)(void* context, std::uint8_t region, std::uint64_t address, std::uint64_t size, bool writes) = nullptr;
};

// Indexed by the stream's region number. In ExecuTorch: 0 weights, 1 scratch (inputs, activations, outputs), 2 fast
// scratch. Regions may overlap.
struct Regions {
    Region at[8];
    const Reach* reach = nullptr;
};

struct Operation;  // npu/operation.h

// Callbacks before and after each operation of the stream that accesses memory; either may be null. npu/observe.h gives
// what an operation reads, writes and costs; npu/hazards.h is an observer. The register driver ignores it.
struct Observer {
    void* context = nullptr;
    void (*before)(void* context, const Operation& operation) = nullptr;
    void (*after)(void* context, const Operation& operation) = nullptr;
};

// payload: the driver payload ("COP1", see npu/config.h), 4-byte aligned, untrusted.
struct Job {
    Bytes payload;
    Regions regions;
    const Observer* observer = nullptr;
};

// An NPU. context belongs to the implementation.
struct Npu {
    const void* context = nullptr;
    // The bytes of scratch, 16-byte aligned, that `run` allocates from its arena for this payload.
    Status (*scratch_size)(const void* context, Bytes payload, std::uint64_t& bytes) = nullptr;
    // Runs the whole job. On return the scratch arena is released; only its peak has changed. If an operation fails,
    // Status.number is its index in the stream.
    Status (*run)(const void* context, const Job& job, Arena& scratch) = nullptr;
};

}  // namespace etb::npu
