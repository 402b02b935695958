// Sleeps until the NPU's interrupt; the handler acknowledges it, so that it comes once a job.
#include "npu.h"

static volatile uint32_t interrupts, seen;

void npu_interrupt(void) {
    seen = npu_read(NPU_STATUS);
    npu_write(NPU_CMD, CLEAR_IRQ);
    ++interrupts;
}

int main(void) {
    npu_reset(1);
    *(volatile uint32_t*)0xE000E104 = 1u << (56 - 32);  // ISER1
    for (uint32_t job = 1; job <= 3; ++job) {
        write_input();
        npu_prepare(0);
        npu_write(NPU_CMD, RUN);
        for (;;) {
            __asm__ volatile("cpsid i" : : : "memory");
            if (interrupts == job) break;
            __asm__ volatile("wfi\n\tcpsie i\n\tisb" : : : "memory");
        }
        __asm__ volatile("cpsie i" : : : "memory");
        print_hex("STATUS in the handler", seen & 0xFFFF);
        print_hex("STATUS behind it", npu_read(NPU_STATUS) & 0xFFFF);
        print(output_is_right() ? "right\n" : "wrong\n");
    }
    print_hex("interrupts", interrupts);
    return 0;
}
