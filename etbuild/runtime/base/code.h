// Generated from etbuild/firmware/codes.py by `python -m etbuild.firmware.generate`; do not edit.
// The kind of an error, as a Status holds it.
// clang-format off
#pragma once

#include <cstdint>

namespace etb {

enum class Code : std::uint8_t {
    ok = 0,  // no error
    truncated = 1,  // the input ends before what it announces
    malformed = 2,  // the input contradicts its format
    unsupported = 3,  // allowed by the format, but not implemented here
    out_of_bounds = 4,  // an address or index outside its region
    no_memory = 5,  // a buffer of the caller's is too small
    mismatch = 6,  // two sides disagree: compiled for another NPU, other shape, other digest
    timeout = 7,  // no answer in time, or more work than the limit
    fault = 8,  // the hardware reported an error
};

}  // namespace etb
