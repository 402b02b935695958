// Tables of the results of operations on 8-bit values. The family of the operation computes them, so they are right for
// whatever it does.
#pragma once

#include <memory>

#include "npu/machine.h"

namespace etb::fast {

using Execute = npu::Verdict (*)(npu::Machine&, npu::Operation&);

// All that such a table depends on.
struct TableIdentity {
    std::int64_t numbers[32];
    std::uint8_t lookup[256];  // the lookup table of the NPU

    TableIdentity(const npu::Machine& machine, const npu::Operation& operation, Execute execute);
    bool operator==(const TableIdentity& other) const;
};

// The result for each of 256 values. Null if it cannot be computed; valid until the next call of this thread. Streams
// often repeat an operation, so the last table of a thread is kept.
const std::uint8_t* table_of_one(const npu::Machine& machine, const npu::Operation& operation, Execute execute);

// [IFM][IFM2], each of 256 values. Null until an operation was met often enough for the table to be worth its time.
// Tables are shared by all threads.
struct PairTable {
    std::uint8_t results[256][256];
};
std::shared_ptr<const PairTable> table_of_two(const npu::Machine& machine, const npu::Operation& operation,
                                              Execute execute);

}  // namespace etb::fast
