// What the loop over a command stream asks of a family that has BRANCH (npu/branch_u85.cc), and the kinds of words.
#pragma once

#include "base/little_endian.h"
#include "npu/machine.h"

namespace etb::npu {

// Bits of a command's first word.
constexpr std::uint32_t kind_mask = 0xC000, kind_wide = 0x4000, code_mask = 0x3FF;

inline bool is_operation(std::uint32_t word) { return (word & kind_mask) == 0 && (word & code_mask) < 0x100; }
inline bool is_branch(std::uint32_t word) { return (word & (kind_mask | code_mask)) == (kind_wide | 0x100); }

// 32 words of a stream. starts: a bit for each that begins a command. operations: those of them that are operations, as
// errors count them. before: operations in front of these words.
struct BranchRow {
    std::uint32_t starts = 0, operations = 0, before = 0;
};

// map:  after planning, of a stream with branches: allocates machine.branch_rows and checks all targets.
// note: after an operation has run: keeps what a conditional branch reads.
// jump: at a BRANCH whose first word is read: reads the second, and moves the cursor and the number of the operation.
struct Branching {
    Status (*map)(Machine& machine, Bytes stream);
    void (*note)(Machine& machine, const Operation& operation);
    Status (*jump)(Machine& machine, std::uint32_t word, Cursor& cursor, std::uint32_t& index);
};

}  // namespace etb::npu
