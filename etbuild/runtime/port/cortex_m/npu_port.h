// The interrupt handler of the board's NPU. Each npu_*.cc defines it; one of them is linked.
#pragma once

extern "C" void etb_npu_interrupt();
