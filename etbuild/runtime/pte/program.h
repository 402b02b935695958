// The .pte file: a flatbuffer (identifier "ET12") and segments of data behind it.
//
//   0   u32  root table             8   "eh00"                    16  u64 bytes of the flatbuffer
//   4   "ET12"                      12  u32 bytes of this header  24  u64 where the segments start
//                                                                 32  u64 bytes of the segments, since 32-byte headers
//
// `open` checks everything once: references, segments, and every index from one table into another that a view
// follows. The header is optional; without it the whole file is the flatbuffer. The caller owns the bytes.
#pragma once

#include "pte/flatbuffer.h"
#include "pte/format.h"

namespace etb {

// KernelCall and DelegateCall have the same layout.
namespace field::call {
enum : unsigned { index = KernelCall::op_index, args = KernelCall::args };
static_assert(index == +DelegateCall::delegate_index && args == +DelegateCall::args);
}  // namespace field::call

struct Program {
    Bytes file;
    Table root;

    static Status open(Bytes file, Program& out);

    [[nodiscard]] std::size_t methods() const { return root.tables(field::Program::execution_plan).size; }
    [[nodiscard]] Table plan(std::size_t method) const { return root.tables(field::Program::execution_plan)[method]; }

    // Initial data of a tensor: constant (index into the constants) or mutable with a first value.
    Status constant(std::uint32_t index, std::uint64_t count, Bytes& out) const;
    Status initial_state(std::uint64_t set, std::uint32_t index, std::uint64_t count, Bytes& out) const;
    Status delegate_data(Table delegate, Bytes& out) const;
    // Data with a key; mismatch when there is none with that key.
    Status named(const char* key, Bytes& out) const;

private:
    std::uint64_t segment_base_ = 0;

    Status segment(std::uint64_t index, Bytes& out) const;
    Status part_of_segment(Table offsets, std::uint32_t index, std::uint64_t count, Bytes& out) const;
};

}  // namespace etb
