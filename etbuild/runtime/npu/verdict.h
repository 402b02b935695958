// The result of the functions that decode and run one operation: null, or why the operation cannot be run. It is a
// pointer because that fits a register, whereas a Status is copied. The loop over the stream turns it into a Status
// with the operation's index.
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

// Evaluate a Verdict and return it to the caller if it is a refusal.
#define ETB_ACCEPT(expression)                                                                           \
    do {                                                                                                 \
        if (const ::etb::npu::Verdict etb_verdict = (expression); !etb_verdict.ok()) return etb_verdict; \
    } while (false)
