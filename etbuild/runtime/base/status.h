// What every function that can fail returns: the first error, its text and one number. It allocates and prints nothing.
#pragma once

#include <cstdint>

#include "base/code.h"
#include "base/log.h"

namespace etb {

// text: static storage, says what is wrong without the number. number: which one (index, offset, opcode); two CONFIG
// words where a model is for another NPU (npu/ethosu.h).
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
