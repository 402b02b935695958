// The interrupt of the board's NPU; defined beside the driver that is linked.
#pragma once

extern "C" void etb_npu_interrupt();
