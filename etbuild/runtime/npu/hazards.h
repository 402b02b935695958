// Hazard check: records which operation wrote each byte of the regions, to tell an error in the command stream from an
// error in the emulator. It reports:
//
//   never_written  an operation reads a byte that nothing has written
//   overwritten    an operation reads a tensor that was partly overwritten, with other values, by a result with another
//                  layout
//   unread         a result is read by a broadcast operand, and some of its bytes are never read
//   shared_table   two operations of one chain look up the same table, which was loaded once
//
// The last three are heuristics. All memory is provided by the caller.
#pragma once

#include "npu/observe.h"

namespace etb::npu {

enum class HazardKind : std::uint8_t { never_written, overwritten, unread, shared_table };

struct Hazard {
    HazardKind kind = HazardKind::never_written;
    Operand operand = Operand::ifm;
    std::uint8_t region = 0;
    std::uint32_t operation = 0;  // the operation that reads; unread: that wrote the result
    std::uint32_t writer = 0;     // overwritten: the operation that overwrote; else 0
    std::uint32_t victim = 0;     // overwritten: whose result was overwritten; shared_table: that looked up first
    std::int64_t address = 0;     // of the first byte concerned
};

// The history of one byte. Writers are operation indices + 1; 0: none, UINT32_MAX: written before the job.
struct ByteHistory {
    std::uint32_t writer = 0;
    std::uint32_t earlier[3] = {};  // previous writers, the latest first
    bool read = false;
    std::uint8_t before = 0;  // its value before the last write
};

// What one operation wrote, and how much of it was read.
struct WriterHistory {
    std::uint32_t layout = 0;             // hash of the layout, equal for stripes of one tensor
    std::uint32_t written = 0, read = 0;  // bytes
    bool read_repeated = false;           // by a broadcast operand
    std::int64_t first = 0;               // first address written
    std::uint8_t region = 0;
};

// The tables that the operations of the current chain looked up; more than 8 are ignored.
struct ChainLookups {
    std::uint32_t operations[8] = {};
    std::uint32_t offsets[8] = {};
    std::size_t count = 0;
};

struct Hazards {
    Span<ByteHistory> bytes[8];   // one per byte of each writable region; other bytes are not checked
    Span<WriterHistory> writers;  // one per operation of the stream
    Span<Hazard> found;           // the reported hazards, as far as they fit
    std::size_t count = 0;        // number of hazards, including those that do not fit
    ChainLookups lookups;

    // Declares bytes that are written before the job (inputs), or read after it (outputs).
    void written_before(std::uint8_t region, std::uint64_t address, std::uint64_t size);
    void read_after(std::uint8_t region, std::uint64_t address, std::uint64_t size);
    // The observer for the job; `this` must outlive the job.
    Observer observer();
    // Call it after the job and read_after: reports results that were never read.
    void finish();
};

}  // namespace etb::npu
