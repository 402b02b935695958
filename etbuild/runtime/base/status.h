// What every function that can fail returns: the first error, its text and one number. It allocates and prints nothing.
#pragma once

#include <cstdint>

#include "base/log.h"

namespace etb {

enum class Code : std::uint8_t {
    ok,
    truncated,      // the input ends before what it announces
    malformed,      // the input contradicts its format
    unsupported,    // right by the format, but not written here
    out_of_bounds,  // an address or index leaves its region
    no_memory,      // a buffer of the caller's is too small
    mismatch,       // two sides disagree: compiled for another NPU, other shape, other digest
    timeout,
    fault,  // the hardware reported an error
};

// text: static storage, says what is wrong without the number. number: which one (index, offset, opcode).
struct [[nodiscard]] Status {
    Code code = Code::ok;
    const char* text = "";
    std::uint64_t number = 0;

    [[nodiscard]] constexpr bool ok() const { return code == Code::ok; }
};

#ifdef ETB_TEXTS_BESIDE
constexpr Status make_error(Code code, const char* text, std::uint64_t number = 0) { return {code, text, number}; }
#else
constexpr Status error(Code code, const char* text, std::uint64_t number = 0) { return Status{code, text, number}; }
#endif

}  // namespace etb

// Return the first error to the caller.
#define ETB_TRY(expression)                                                                     \
    do {                                                                                        \
        if (const ::etb::Status etb_status = (expression); !etb_status.ok()) return etb_status; \
    } while (false)
