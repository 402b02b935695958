// A non-secure, unprivileged NPU: SAU regions, the registers by their non-secure alias, memory by its own.
#define NPU_BASE 0x48102000u
#include "npu.h"

static void region(uint32_t number, uint32_t first, uint32_t last) {
    *(volatile uint32_t*)0xE000EDD8 = number;
    *(volatile uint32_t*)0xE000EDDC = first;
    *(volatile uint32_t*)0xE000EDE0 = (last & ~31u) | 1;
}

static uint32_t secure(uint32_t offset) { return *(volatile uint32_t*)(0x58102000u + offset); }

int main(void) {
    region(0, 0x40000000, 0x4FFFFFFF);
    region(1, 0x20000000, 0x2FFFFFFF);
    region(2, 0x60000000, 0x6FFFFFFF);
    *(volatile uint32_t*)0xE000EDD0 = 1;
    __asm__ volatile("dsb\n\tisb" : : : "memory");
    print_hex("PROT after power-on", secure(NPU_PROT));
    // Only secure code can open a secure NPU; then the non-secure alias is enough.
    *(volatile uint32_t*)(0x58102000u + NPU_RESET) = 2;
    print_hex("PROT", npu_read(NPU_PROT));
    npu_reset(2);
    print_hex("PROT", npu_read(NPU_PROT));
    write_input();
    npu_prepare(0x10000000);
    npu_write(NPU_CMD, RUN);
    while (npu_read(NPU_STATUS) & RUNNING) {}
    print_hex("STATUS", npu_read(NPU_STATUS) & 0xFFFF);
    print(output_is_right() ? "right\n" : "wrong\n");
    // A non-secure NPU reaches no secure memory.
    npu_reset(2);
    write_input();
    npu_prepare(0);
    npu_write(NPU_CMD, RUN);
    while (npu_read(NPU_STATUS) & RUNNING) {}
    print_hex("STATUS with secure addresses", npu_read(NPU_STATUS) & 0x3F);
    return 0;
}
