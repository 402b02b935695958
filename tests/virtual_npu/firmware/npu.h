// A minimal driver of an Ethos-U, from the public description of its registers; and of Vela's binary format.
#ifndef NPU_H
#define NPU_H

#include <stdint.h>

#include "board.h"

// The model is etbuild's header; or the firmware gets it from elsewhere.
#ifndef MODEL_FROM_ELSEWHERE
#define MODEL_PTE_DEFINE
#include "model.h"
#include "vectors.h"
#endif

#ifndef NPU_BASE
#define NPU_BASE 0x58102000u
#endif

enum {
    NPU_ID = 0x00,
    NPU_STATUS = 0x04,
    NPU_CMD = 0x08,
    NPU_RESET = 0x0C,
    NPU_QBASE = 0x10,
    NPU_QREAD = 0x18,
    NPU_QCONFIG = 0x1C,
    NPU_QSIZE = 0x20,
    NPU_PROT = 0x24,
    NPU_CONFIG = 0x28,
    NPU_REGIONCFG = 0x3C,
    NPU_AXI_LIMIT0 = 0x40,
    NPU_MEM_ATTR0 = 0x40,
    NPU_AXI_SRAM = 0x50,
    NPU_AXI_EXT = 0x54,
    NPU_BASEP = 0x80,
};
enum { RUNNING = 1, IRQ = 2, BUS_FAULT = 4, RESETTING = 8, PARSE_FAULT = 16, END_REACHED = 32 };
enum { RUN = 1, CLEAR_IRQ = 2 };

static inline uint32_t npu_read(uint32_t offset) { return *(volatile uint32_t*)(NPU_BASE + offset); }
static inline void npu_write(uint32_t offset, uint32_t value) { *(volatile uint32_t*)(NPU_BASE + offset) = value; }

static inline void npu_reset(uint32_t rights) {
    npu_write(NPU_RESET, rights);
    while (npu_read(NPU_STATUS) & RESETTING) {}
}

static const uint8_t *delegate, *model_end;

static inline int is(const char* text, const char* other) {
    while (*text && *text == *other) ++text, ++other;
    return *text == *other;
}

// The first delegate of a .pte: a sequence of blocks, each aligned to 16 bytes, that begins with one of this name.
static inline int find_delegate(const uint8_t* model, uint32_t bytes) {
    model_end = model + bytes;
    for (delegate = model; delegate < model_end; delegate += 16)
        if (is((const char*)delegate, "vela_bin_stream")) return 1;
    return 0;
}

// One block of the delegate: its payload.
static inline const uint8_t* block(const char* name) {
    for (const uint8_t* at = delegate; at < model_end; at += 32 + (*(const uint32_t*)(at + 16) + 15) / 16 * 16)
        if (is((const char*)at, name)) return at + 32;
    print("the delegate has no such block\n");
    finish(98);
}

// The command stream in the driver payload: behind the actions that come before it.
static inline const uint32_t* stream(uint32_t* bytes) {
    const uint32_t* word = (const uint32_t*)block("cmd_data") + 1;
    for (;; ++word) switch (*word & 0xFF) {
            case 1: word += 2; break;
            case 5: break;
            case 2: *bytes = ((*word & 0xFF00) << 8 | *word >> 16) * 4; return word + 1;
            default: print("an unknown driver action\n"); finish(97);
        }
}

static uint8_t scratch[0x40000] __attribute__((aligned(16), section(".npu_memory")));

// offset: of the n-th input or output in the scratch. bytes: of it.
static inline uint8_t* port(const char* side, uint32_t n, uint32_t* bytes) {
    const int32_t* record = (const int32_t*)block(side) + 1 + 9 * n;
    *bytes = (uint32_t)record[6];
    for (int axis = 0; axis < 6; ++axis) *bytes *= (uint32_t)record[axis];
    return scratch + record[7];
}

// Everything but the run. distance: from an address here to the one that the NPU is given.
static inline void npu_prepare(uint32_t distance) {
    uint32_t bytes;
    npu_write(NPU_QBASE, (uint32_t)stream(&bytes) - distance);
    npu_write(NPU_QBASE + 4, 0);
    npu_write(NPU_QSIZE, bytes);
    npu_write(NPU_QCONFIG, 2);
    npu_write(NPU_REGIONCFG, 3 | 2 << 2 | 1 << 4);
#ifdef U85
    for (uint32_t i = 0; i < 4; ++i) npu_write(NPU_MEM_ATTR0 + 4 * i, i < 2 ? 0 : 1 << 2);
    npu_write(NPU_AXI_SRAM, 0x00000C10);
    npu_write(NPU_AXI_EXT, 0x00000C10);
#else
    for (uint32_t i = 0; i < 4; ++i) npu_write(NPU_AXI_LIMIT0 + 4 * i, 0x0F1F0000);
#endif
    uint32_t base[8] = {(uint32_t)block("weight_data") - distance, (uint32_t)scratch - distance};
    for (uint32_t i = 0; i < 8; ++i) {
        npu_write(NPU_BASEP + 8 * i, base[i]);
        npu_write(NPU_BASEP + 8 * i + 4, 0);
    }
}

#ifndef MODEL_FROM_ELSEWHERE
static inline void write_input(void) {
    uint32_t bytes;
    const uint8_t* from = model_input;
    if (!delegate && !find_delegate(model_pte, MODEL_PTE_SIZE)) finish(96);
    uint32_t used = *(const uint32_t*)block("scratch_size");
    if (used > sizeof scratch) finish(95);
    for (uint32_t i = 0; i < used; i += 4) *(volatile uint32_t*)(scratch + i) = 0x55555555;
    for (uint32_t n = 0; n < *(const uint32_t*)block("inputs"); ++n) {
        uint8_t* to = port("inputs", n, &bytes);
        for (uint32_t i = 0; i < bytes; ++i) to[i] = *from++;
    }
}

// 1 when the outputs are what they should be.
static inline int output_is_right(void) {
    uint32_t bytes;
    const uint8_t* wanted = model_output;
    int right = 1;
    for (uint32_t n = 0; n < *(const uint32_t*)block("outputs"); ++n) {
        const volatile uint8_t* from = port("outputs", n, &bytes);
        for (uint32_t i = 0; i < bytes; ++i) right &= from[i] == *wanted++;
    }
    return right && wanted == model_output + sizeof model_output;
}
#endif

#endif
