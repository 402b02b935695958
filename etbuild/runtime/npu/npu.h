// The one interface to an NPU: the emulator (npu/emulator.h) and the register driver (npu/ethosu) both stand behind it.
// It knows nothing of .pte files: a job is a driver payload, as Vela wrote it, and the memory it may touch.
#pragma once

#include "base/arena.h"
#include "base/span.h"

namespace etb::npu {

// Memory that the stream addresses from zero. The base of a region is 16-byte aligned.
struct Region {
    const std::uint8_t* data = nullptr;
    std::size_t size = 0;
    bool writable = false;

    static Region read_only(Bytes bytes) { return {bytes.data, bytes.size, false}; }
    static Region read_write(MutableBytes bytes) { return {bytes.data, bytes.size, true}; }
};

// By region number of the stream. ExecuTorch's order: 0 weights, 1 scratch (inputs, activations, outputs), 2 fast
// scratch.
struct Regions {
    Region at[8];
};

struct Operation;  // npu/operation.h

// Called before and after each operation of the stream; either may be null. npu/observe.h says what an operation
// reads, writes and costs; npu/hazards.h is an observer. The register driver calls neither.
struct Observer {
    void* context = nullptr;
    void (*before)(void* context, const Operation& operation) = nullptr;
    void (*after)(void* context, const Operation& operation) = nullptr;
};

// payload: starts with COP1, 4-byte aligned, untrusted.
struct Job {
    Bytes payload;
    Regions regions;
    const Observer* observer = nullptr;
};

// An NPU as its user sees it. context belongs to the implementation.
struct Npu {
    const void* context = nullptr;
    // Bytes of scratch (16-byte aligned) that `run` takes from its arena for this payload.
    Status (*scratch_size)(const void* context, Bytes payload, std::uint64_t& bytes) = nullptr;
    // Runs the whole job. scratch is as it was on return, but for its peak. Status.number: the operation's index.
    Status (*run)(const void* context, const Job& job, Arena& scratch) = nullptr;
};

}  // namespace etb::npu
