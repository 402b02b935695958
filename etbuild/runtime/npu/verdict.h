// What the functions behind one operation return: null, or why it cannot be run. A pointer, since on a small CPU it
// costs a register where a Status costs a copy; the loop over the stream makes it a Status with the operation's index.
#pragma once

#include "base/status.h"

namespace etb::npu {

struct Refusal {
    Code code;
    const char* text;
};

struct [[nodiscard]] Verdict {
    const Refusal* refusal = nullptr;

    [[nodiscard]] bool ok() const { return refusal == nullptr; }
};

}  // namespace etb::npu

#define ETB_REFUSE(code_name, message)                                                     \
    ([] {                                                                                  \
        static constexpr ::etb::npu::Refusal etb_refusal{::etb::Code::code_name, message}; \
        return ::etb::npu::Verdict{&etb_refusal};                                          \
    }())

// Return the first refusal to the caller.
#define ETB_ACCEPT(expression)                                                                           \
    do {                                                                                                 \
        if (const ::etb::npu::Verdict etb_verdict = (expression); !etb_verdict.ok()) return etb_verdict; \
    } while (false)
