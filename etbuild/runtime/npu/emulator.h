// A functional emulator of Ethos-U55, U65 and U85 command streams: the same bytes as the TOSA reference model, no
// timing. What it does not do, or does from facts that no test could reach, is listed under Inaccuracies in
// npu/commands.h.
#pragma once

#include "npu/npu.h"

namespace etb::npu {

struct Family;                // the operations of one kind of NPU
extern const Family u55_u65;  // naming one is what links its code
extern const Family u85;

// families: those that a payload may be for; a null one is refused with Code::mismatch.
// work_limit: multiply-accumulates and elements of one job, above which it is refused before it starts.
struct Emulator {
    const Family* u55_u65 = nullptr;
    const Family* u85 = nullptr;
    std::uint64_t work_limit = std::uint64_t{1} << 42;
};

// emulator must outlive the Npu.
Npu emulated_npu(const Emulator& emulator);

}  // namespace etb::npu
