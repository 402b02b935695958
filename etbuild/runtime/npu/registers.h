// The register file that a command stream writes. A register holds its value until it is written again.
#pragma once

#include "npu/commands.h"

namespace etb::npu {

struct Registers {
    std::uint16_t narrow[256] = {};
    std::uint32_t low[256] = {};   // of the wide registers, bits 0-31
    std::uint16_t high[256] = {};  // bits 32-47

    // The value of a field: sign-extended if it is signed, with its `plus` added (see npu/commands.yaml).
    [[nodiscard]] std::int64_t get64(Field field) const;
    [[nodiscard]] std::int32_t get(Field field) const { return static_cast<std::int32_t>(get64(field)); }
};

}  // namespace etb::npu
