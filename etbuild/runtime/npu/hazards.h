// Follows who wrote every byte of the regions, to tell a faulty stream from a faulty emulator.
//
//   never_written  an operation reads a byte that nothing has written
//   overwritten    an operation reads a tensor of which a part was overwritten by the result of another shape
//   unread         a result is read through a repeated dimension only, and most of it is never read by anything
//
// The last two are signs, not proofs. All memory is the caller's.
#pragma once

#include "npu/observe.h"

namespace etb::npu {

enum class HazardKind : std::uint8_t { never_written, overwritten, unread };

struct Hazard {
    HazardKind kind = HazardKind::never_written;
    Operand operand = Operand::ifm;
    std::uint8_t region = 0;
    std::uint32_t operation = 0;  // that reads, or (unread) whose result it is
    std::uint32_t writer = 0;     // overwritten: who destroyed; else 0
    std::uint32_t victim = 0;     // overwritten: whose tensor
    std::int64_t address = 0;     // the first byte concerned
};

// Of one byte. Writers are operation indices + 1; 0: nothing, UINT32_MAX: before the job.
struct ByteHistory {
    std::uint32_t writer = 0;
    std::uint32_t earlier[3] = {};  // writers before it, the last one first
    bool read = false;
};

// Of one operation as a writer.
struct WriterHistory {
    std::uint32_t layout = 0;  // equal for stripes of one tensor
    std::uint32_t written = 0, read = 0;
    bool read_repeated = false;
    std::int64_t first = 0;  // address written
    std::uint8_t region = 0;
};

struct Hazards {
    Span<ByteHistory> bytes[8];   // one a byte of each writable region; others are taken as written
    Span<WriterHistory> writers;  // one an operation of the stream
    Span<Hazard> found;           // room for results
    std::size_t count = 0;        // of results, also beyond the room

    // These bytes hold something before the job (inputs), or are wanted after it (outputs).
    void written_before(std::uint8_t region, std::uint64_t address, std::uint64_t size);
    void read_after(std::uint8_t region, std::uint64_t address, std::uint64_t size);
    // Give it to the job; `this` must outlive it.
    Observer observer();
    // After the job: finds what was never read.
    void finish();
};

}  // namespace etb::npu
