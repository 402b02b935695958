// The .ptd file: named data outside the program. A flatbuffer (identifier "FT01") and its segments.
//
//   4   "FT01"    8   "FH01"    12  u32 bytes of this header    16  u64 bytes before the flatbuffer's tables
//   24  u64 their bytes  32  u64 where the segments start    40  u64 bytes of the segments
#pragma once

#include "pte/flatbuffer.h"
#include "pte/format.h"

namespace etb {

struct DataFile {
    Bytes file;
    Table root;

    static Status open(Bytes file, DataFile& out);
    // mismatch when there is no data with that key.
    Status named(const char* key, Bytes& out) const;

private:
    std::uint64_t segment_base_ = 0;
};

}  // namespace etb
