// A hostile firmware: it asks semihosting for files and a command, prints a text, then leaves with exit code 7.
#include <stdint.h>

enum { sys_open = 1, sys_writec = 3, sys_write = 5, sys_remove = 14, sys_rename = 15, sys_system = 18, sys_exit = 32 };
enum { application_exit = 0x20026, for_writing = 7 };

static uint32_t call(uint32_t operation, const void* parameter) {
    register uint32_t r0 __asm__("r0") = operation;
    register const void* r1 __asm__("r1") = parameter;
    __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

static void reset(void) {
    const uint32_t open[] = {(uint32_t)"written", for_writing, 7};
    const uint32_t write[] = {call(sys_open, open), (uint32_t)"text", 4};
    call(sys_write, write);
    const uint32_t removed[] = {(uint32_t)"removed", 7};
    call(sys_remove, removed);
    const uint32_t renamed[] = {(uint32_t)"old", 3, (uint32_t)"new", 3};
    call(sys_rename, renamed);
    for (const char* text = "printed\n"; *text; ++text) call(sys_writec, text);
#ifdef COMMAND
    const uint32_t command[] = {(uint32_t)"touch executed", 14};
    call(sys_system, command);
#endif
    const uint32_t end[] = {application_exit, 7};
    call(sys_exit, end);
    for (;;) {
    }
}

__attribute__((section(".vectors"), used)) static const void* const vectors[] = {(void*)0x30001000, (void*)reset};
