// What a driver must not do, and what STATUS says then.
#include "npu.h"

static void start(void) {
    npu_reset(1);
    write_input();
    npu_prepare(0);
}

static void report(const char* name) {
    while (npu_read(NPU_STATUS) & RUNNING) {}
    print_hex(name, npu_read(NPU_STATUS) & 0x3F);
    print(output_is_right() ? "written\n" : "not written\n");
}

int main(void) {
    uint32_t bytes;
    start();
    const uint32_t* words = stream(&bytes);
    npu_write(NPU_QSIZE, 8);
    npu_write(NPU_CMD, RUN);
    report("stream cut before its STOP");
    print_hex("QREAD", npu_read(NPU_QREAD));

    start();
    npu_write(NPU_QBASE, 0xE8000000);
    npu_write(NPU_CMD, RUN);
    report("stream outside memory");

    start();
    npu_write(NPU_BASEP, 0xE8000000);
    npu_write(NPU_CMD, RUN);
    report("weights outside memory");

    start();
    npu_write(NPU_BASEP + 8, 0xE8000000);
    npu_write(NPU_CMD, RUN);
    report("scratch outside memory");
    npu_write(NPU_CMD, RUN);
    report("a run after a fault");
    npu_write(NPU_CMD, CLEAR_IRQ);
    report("the interrupt cleared");

    static uint32_t broken[16] __attribute__((aligned(16), section(".npu_memory")));
    for (int i = 0; i < 16; ++i) broken[i] = i ? words[i] : 0x3FFu;
    start();
    npu_write(NPU_QBASE, (uint32_t)broken);
    npu_write(NPU_QSIZE, sizeof broken);
    npu_write(NPU_CMD, RUN);
    report("a command that does not exist");

    start();
    npu_write(NPU_CMD, RUN);
    npu_write(NPU_CMD, RUN);
    npu_write(NPU_QSIZE, 0);
    print_hex("QSIZE while running", npu_read(NPU_QSIZE) - bytes);
    report("a second run while running");

    start();
    npu_write(NPU_CMD, RUN);
    print_hex("running", npu_read(NPU_STATUS) & 0x3F);
    npu_reset(1);
    report("a reset while running");

    start();
    *(volatile uint32_t*)(NPU_BASE - 0x10000000u + NPU_CMD) = RUN;
    print_hex("STATUS by the non-secure alias", *(volatile uint32_t*)(NPU_BASE - 0x10000000u + NPU_STATUS));
    report("run by the non-secure alias of a secure NPU");
    *(volatile uint32_t*)(NPU_BASE - 0x10000000u + NPU_RESET) = 1;
    print_hex("PROT after a reset by the alias", npu_read(NPU_PROT));
    return 0;
}
