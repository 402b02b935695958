// The state of one job except its registers, and the interface of an NPU family.
#pragma once

#include "npu/operation.h"
#include "npu/verdict.h"

namespace etb::npu {

// One of Ethos-U85's buffers between chained operations; dense NHWC.
struct Chain {
    std::uint8_t* memory = nullptr;
    Shape shape;
    std::uint8_t element = 0;  // bytes; 0: the buffer is empty
};

// Accumulators that are kept from one operation to the next (Ethos-U85), [height][width][depth].
struct Accumulators {
    Span<std::int64_t> values;
    Shape shape;
};

struct BranchRow;  // npu/branch.h
struct Branching;

// What a conditional branch reads: whether the last result, of one element, was not zero.
enum class ResultFlag : std::uint8_t { unknown, clear, set };

struct Machine {
    Config config;
    Regions regions;
    bool has_regions = false;  // false: only the scratch size is computed; addresses are not checked
    bool planning = false;     // first pass: the arena only counts, nothing is read or written
    const Observer* observer = nullptr;
    Arena* arena = nullptr;
    MutableBytes tables;
    Chain chains[8];
    std::uint8_t* spare_chain = nullptr;  // buffer for the next chained output
    Accumulators accumulators;
    // Computed while planning:
    std::uint64_t work = 0;
    std::uint64_t chain_bytes = 0;
    std::uint8_t chains_used = 0;  // one bit per buffer
    std::uint64_t accumulator_count = 0;
    bool branches = false;  // the stream has some
    // Of a stream with branches, while it runs:
    Span<BranchRow> branch_rows;
    ResultFlag flag = ResultFlag::unknown;
    std::uint64_t commands = 0, command_limit = 0;
    std::uint64_t done = 0, work_limit = 0;
};

// An NPU family. describe: decodes the registers into a validated operation. execute: runs it; if machine.planning, it
// only allocates. branching: null for a family without BRANCH.
struct Family {
    Verdict (*describe)(const Machine& machine, const Registers& registers, Operation& operation);
    Verdict (*execute)(Machine& machine, Operation& operation);
    const Branching* branching;
};
extern const Branching branching_u85;

// Allocates scratch of the current operation, 8-byte aligned. It is released after the operation.
Verdict take_bytes(Machine& machine, std::uint64_t count, MutableBytes& out);
template <class T>
Verdict take(Machine& machine, std::uint64_t count, Span<T>& out) {
    MutableBytes bytes;
    ETB_ACCEPT(take_bytes(machine, count > SIZE_MAX / sizeof(T) ? UINT64_MAX : count * sizeof(T), bytes));
    out = {reinterpret_cast<T*>(bytes.data), bytes.size / sizeof(T)};
    return {};
}

// A checked part of a region; empty if machine.has_regions is false. write_region also checks that it is writable.
Verdict read_region(const Machine& machine, std::uint8_t region, std::int64_t address, std::uint64_t size, Bytes& out);
Verdict write_region(const Machine& machine, std::uint8_t region, std::int64_t address, std::uint64_t size,
                     MutableBytes& out);
// Checks every address that the map's shape covers, and sets map.memory to its region or chain buffer.
Verdict bind_input(const Machine& machine, FeatureMap& map);
Verdict bind_output(const Machine& machine, FeatureMap& map);

// Copy (inner, outer) of a transfer: the addresses of its source, target and index.
struct TransferPlace {
    std::int64_t source = 0, target = 0, index = 0;
};
Verdict transfer_place(const Machine& machine, const Transfer& how, std::int32_t inner, std::int32_t outer,
                       TransferPlace& out);

// The operations, each in the file of its name.
Verdict convolution(Machine& machine, Operation& operation);
Verdict depthwise(Machine& machine, Operation& operation);
Verdict matrix_product(Machine& machine, Operation& operation);
Verdict pool(Machine& machine, Operation& operation);
Verdict elementwise_u55(Machine& machine, Operation& operation);
Verdict elementwise_u85(Machine& machine, Operation& operation);
Verdict resize(Machine& machine, Operation& operation);
Verdict transfer(Machine& machine, Operation& operation);

}  // namespace etb::npu
