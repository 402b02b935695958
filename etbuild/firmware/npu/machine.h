// The state of one job beside its registers, and the functions that a family brings.
#pragma once

#include "npu/operation.h"

namespace etb::npu {

// One of Ethos-U85's buffers between chained operations: dense NHWC.
struct Chain {
    std::uint8_t* memory = nullptr;
    Shape shape;
    std::uint8_t element = 0;  // 0: nothing in it yet
};

// Sums that outlive an operation (Ethos-U85), [height][width][depth].
struct Accumulators {
    Span<std::int64_t> values;
    Shape shape;
};

struct Machine {
    Config config;
    Regions regions;
    bool has_regions = false;  // false: only sizes are wanted, addresses are not checked
    bool planning = false;     // the arena counts; nothing is read or written
    const Observer* observer = nullptr;
    Arena* arena = nullptr;
    MutableBytes tables;
    Chain chains[8];
    std::uint8_t* spare_chain = nullptr;
    Accumulators accumulators;
    // Found while planning:
    std::uint64_t work = 0;
    std::uint64_t chain_bytes = 0;
    std::uint8_t chains_used = 0;  // one bit a buffer
    std::uint64_t accumulator_count = 0;
};

// describe: registers -> a checked operation. execute: does it, or only allocates when machine.planning.
struct Family {
    Status (*describe)(const Machine& machine, const Registers& registers, Operation& operation);
    Status (*execute)(Machine& machine, Operation& operation);
};

// Bytes of a region, checked; empty while no regions are known.
Status read_region(const Machine& machine, std::uint8_t region, std::int64_t address, std::uint64_t size, Bytes& out);
Status write_region(const Machine& machine, std::uint8_t region, std::int64_t address, std::uint64_t size,
                    MutableBytes& out);
// Points `map` at its region or chain buffer after checking everything that its shape touches.
Status bind_input(const Machine& machine, FeatureMap& map);
Status bind_output(const Machine& machine, FeatureMap& map);

// Copy (inner, outer) of a transfer: where it begins on both sides, and where its index lies.
struct TransferPlace {
    std::int64_t source = 0, target = 0, index = 0;
};
Status transfer_place(const Machine& machine, const Transfer& how, std::int32_t inner, std::int32_t outer,
                      TransferPlace& out);

// The operations. Each is in the file of its name.
Status convolution(Machine& machine, Operation& operation);
Status depthwise(Machine& machine, Operation& operation);
Status matrix_product(Machine& machine, Operation& operation);
Status pool(Machine& machine, Operation& operation);
Status elementwise_u55(Machine& machine, Operation& operation);
Status elementwise_u85(Machine& machine, Operation& operation);
Status resize(Machine& machine, Operation& operation);
Status transfer(Machine& machine, Operation& operation);

}  // namespace etb::npu
