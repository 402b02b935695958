// A functional emulator of Ethos-U55, U65 and U85 command streams. Results are bit-exact with the TOSA reference model;
// there is no timing model. What is not emulated, and what no test has verified, is listed under Inaccuracies in
// npu/commands.h.
#pragma once

#include "npu/npu.h"

namespace etb::npu {

struct Family;                // the decoder and the operations of an NPU family (npu/machine.h)
extern const Family u55_u65;  // referring to a family links its code
extern const Family u85;

// u55_u65, u85: the families that payloads may be compiled for; a payload for a family that is null is a mismatch.
// work_limit: a job with more multiply-accumulates and elements is refused before it starts (Code::timeout).
// command_limit: of a job with branches; it ends at the first BRANCH after that many commands, or after that much work.
struct Emulator {
    const Family* u55_u65 = nullptr;
    const Family* u85 = nullptr;
    std::uint64_t work_limit = std::uint64_t{1} << 42;
    std::uint64_t command_limit = std::uint64_t{1} << 22;
};

// An Npu that runs jobs on the emulator. `emulator` must outlive it.
Npu emulated_npu(const Emulator& emulator);

}  // namespace etb::npu
