// Polls: reset, one job after the other, each checked.
#include "npu.h"

int main(void) {
    print_hex("ID", npu_read(NPU_ID));
    npu_reset(1);
    print_hex("PROT", npu_read(NPU_PROT));
    print_hex("CONFIG", npu_read(NPU_CONFIG));
    for (int job = 0; job < 3; ++job) {
        write_input();
        npu_prepare(0);
        npu_write(NPU_CMD, RUN);
        while (npu_read(NPU_STATUS) & RUNNING) {}
        print_hex("STATUS", npu_read(NPU_STATUS) & 0xFFFF);
        print_hex("QREAD", npu_read(NPU_QREAD) - npu_read(NPU_QSIZE));
        npu_write(NPU_CMD, CLEAR_IRQ);
        print(output_is_right() ? "right\n" : "wrong\n");
    }
    return 0;
}
