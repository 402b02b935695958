// The emulator's operations, faster: with the widest instructions that the processor has, with weights that are decoded
// once, and with tables for what depends on 8 bits. For hosts: it allocates from the heap, and no firmware has it. A
// family of it decodes and checks with the functions of npu/, executes what it knows, and leaves the rest to them; the
// bytes are the same in all cases.
#pragma once

#include "npu/emulator.h"

namespace etb::fast {

// A way to execute operations. "scalar" is npu/ itself.
struct Path {
    const char* name;
    const npu::Family* u55_u65;
    const npu::Family* u85;
};

// Those that this processor can take, the fastest first, the scalar one last.
Span<const Path> paths();

}  // namespace etb::fast
