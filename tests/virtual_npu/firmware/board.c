#include "board.h"

#define UART 0x59303000u
#define NPU_IRQ 56

static volatile uint32_t* reg(uint32_t address) { return (volatile uint32_t*)address; }

extern uint32_t data_start[], data_end[], data_load[], bss_start[], bss_end[], stack_top[];
int main(void);

void print(const char* text) {
    for (; *text; ++text) {
        while (*reg(UART + 4) & 1) {}
        *reg(UART) = (uint8_t)*text;
    }
}

void print_hex(const char* name, uint32_t value) {
    char text[12] = "=0x";
    for (int i = 0; i < 8; ++i) text[3 + i] = "0123456789abcdef"[value >> (28 - 4 * i) & 15];
    print(name);
    text[11] = 0;
    print(text);
    print("\n");
}

_Noreturn void finish(int code) {
    uint32_t block[2] = {0x20026, (uint32_t)code};
    register uint32_t operation __asm__("r0") = 0x20;
    register uint32_t* argument __asm__("r1") = block;
    __asm__ volatile("bkpt 0xab" : : "r"(operation), "r"(argument) : "memory");
    for (;;) {}
}

static void fault(void) {
    print("Hard fault\n");
    print_hex("CFSR", *reg(0xE000ED28));
    print_hex("BFAR", *reg(0xE000ED38));
    finish(99);
}

__attribute__((weak)) void npu_interrupt(void) { fault(); }

void reset(void) {
    *reg(0xE000ED88) |= 0xF << 20;  // CPACR: floating point for what the compiler does with it
    *reg(UART + 8) = 1;             // transmit
    *reg(UART + 16) = 16;
    for (uint32_t *from = data_load, *to = data_start; to < data_end;) *to++ = *from++;
    for (uint32_t* to = bss_start; to < bss_end;) *to++ = 0;
    finish(main());
}

__attribute__((section(".vectors"), used)) static void* const vectors[16 + NPU_IRQ + 1] = {
    [0] = stack_top, [1] = (void*)reset, [2 ... 15] = (void*)fault, [16 ... 15 + NPU_IRQ] = (void*)fault,
    [16 + NPU_IRQ] = (void*)npu_interrupt,
};

// gcc calls them for loops that copy and clear.
void* memcpy(void* to, const void* from, size_t bytes) {
    for (size_t i = 0; i < bytes; ++i) ((volatile char*)to)[i] = ((const char*)from)[i];
    return to;
}

void* memset(void* to, int value, size_t bytes) {
    for (size_t i = 0; i < bytes; ++i) ((volatile char*)to)[i] = (char)value;
    return to;
}
