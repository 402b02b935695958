// Runs programs as ExecuTorch's runner for semihosting does: "executor_runner -m FILE -o NAME -i FILE...".
//
// It knows one delegate of a .pte, whose inputs and outputs are those of the program.
#define MODEL_FROM_ELSEWHERE
#include "npu.h"

enum { OPEN = 1, CLOSE = 2, WRITE0 = 4, WRITE = 5, READ = 6, LENGTH = 12, GET_COMMAND_LINE = 21 };

static int call(int number, const void* argument) {
    register int operation __asm__("r0") = number;
    register const void* block __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(operation) : "r"(block) : "memory");
    return operation;
}

static uint8_t program[0x20000] __attribute__((aligned(16), section(".npu_memory")));

static uint32_t text_bytes(const char* text) {
    uint32_t bytes = 0;
    while (text[bytes]) ++bytes;
    return bytes;
}

// writes: to a new file. return: bytes that were moved.
static uint32_t file(const char* name, void* data, uint32_t bytes, int writes) {
    int handle = call(OPEN, (const uint32_t[]){(uint32_t)name, writes ? 5 : 1, text_bytes(name)});
    if (handle < 0) {
        print("E executorch: cannot open ");
        print(name);
        print("\n");
        finish(1);
    }
    uint32_t size = writes ? bytes : (uint32_t)call(LENGTH, &handle);
    if (size > bytes) finish(2);
    if (call(writes ? WRITE : READ, (const uint32_t[]){(uint32_t)handle, (uint32_t)data, size})) finish(3);
    call(CLOSE, &handle);
    return size;
}

// The next word of the command line; 0 behind the last.
static char* word(char** rest) {
    while (**rest == ' ') ++*rest;
    char* begin = *rest;
    while (**rest && **rest != ' ') ++*rest;
    if (**rest) *(*rest)++ = 0;
    return *begin ? begin : 0;
}

static void load(const char* name) {
    if (find_delegate(program, file(name, program, sizeof program, 0))) return;
    print("E executorch: no delegate\n");
    finish(4);
}

int main(void) {
    static char line[300], name[32];
    uint32_t command[2] = {(uint32_t)line, sizeof line}, bytes, inputs = 0;
    if (call(GET_COMMAND_LINE, command)) finish(5);
    print("I executorch: ");
    print(line);
    print("\n");
    const char *output = "out", *key;
    char* rest = line;
    word(&rest);
    while ((key = word(&rest))) {
        const char* value = word(&rest);
        if (is(key, "-m")) load(value);
        if (is(key, "-o")) output = value;
        if (is(key, "-i")) {
            uint8_t* to = port("inputs", inputs++, &bytes);
            file(value, to, bytes, 0);
        }
    }
    npu_reset(1);
    npu_prepare(0);
    npu_write(NPU_CMD, RUN);
    while (npu_read(NPU_STATUS) & RUNNING) {}
    if ((npu_read(NPU_STATUS) & 0x3F) != (IRQ | END_REACHED)) finish(6);
    uint32_t count = *(const uint32_t*)block("outputs");
    for (uint32_t i = 0; i < count; ++i) {
        uint32_t used = text_bytes(output);
        memcpy(name, output, used);
        memcpy(name + used, "-0.bin", 7);
        name[used + 1] = (char)('0' + i);
        uint8_t* from = port("outputs", i, &bytes);
        file(name, from, bytes, 1);
    }
    call(WRITE0, "I executorch: semihosting prints, too\n");
    print("I executorch: Program complete, exiting.\n");
#ifdef EOT
    print("\004behind the end\n");
    for (;;) {}
#endif
    return 0;
}
