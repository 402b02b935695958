// A small board support of its own: start-up, a polled UART, the end of a run. Nothing of it is etbuild's.
#ifndef BOARD_H
#define BOARD_H

#include <stddef.h>
#include <stdint.h>

void print(const char* text);
void print_hex(const char* name, uint32_t value);
_Noreturn void finish(int code);

// Called by the NPU's interrupt, number 56.
void npu_interrupt(void);

void* memcpy(void* to, const void* from, size_t bytes);

#endif
