// Volatile accesses of every type and shape that C has, for the decoder's test; nothing of it is run.
#include <stdint.h>
#include <string.h>

struct registers {
    volatile uint32_t word[16];
    volatile uint16_t half[16];
    volatile uint8_t byte[16];
    volatile int16_t signed_half[16];
    volatile int8_t signed_byte[16];
    volatile uint64_t pair[8];
    volatile float single[8];
    volatile double twice[8];
    volatile uint32_t far[2048];
};

#define DEVICE ((struct registers*)0x58102000)

uint32_t sum(const struct registers* r, int i) {
    uint32_t total = r->word[3] + r->half[3] + r->byte[3] + (uint32_t)r->signed_half[3] + (uint32_t)r->signed_byte[3];
    total += r->word[i] + r->half[i] + r->byte[i] + (uint32_t)r->signed_half[i] + (uint32_t)r->signed_byte[i];
    return total + r->far[2000] + (uint32_t)r->pair[i] + (uint32_t)(r->pair[1] >> 32);
}

void fill(struct registers* r, int i, uint64_t value) {
    r->word[3] = r->word[i] = (uint32_t)value;
    r->half[3] = r->half[i] = (uint16_t)value;
    r->byte[3] = r->byte[i] = (uint8_t)value;
    r->signed_byte[i] = r->signed_byte[1] = (int8_t)value;
    r->pair[3] = r->pair[i] = value;
    r->far[2000] = r->far[i] = (uint32_t)value;
}

void copy(volatile uint32_t* to, const volatile uint32_t* from, int words) {
    while (words--) *to++ = *from++;
}

void backwards(volatile uint8_t* to, const volatile int8_t* from, int bytes) {
    while (bytes--) *--to = (uint8_t)*--from;
}

float floats(struct registers* r, int i, float x, double y) {
    r->single[3] = r->single[i] = x;
    r->twice[3] = r->twice[i] = y;
    return r->single[1] + (float)r->twice[i];
}

int poll(void) {
    DEVICE->word[3] = 1;
    while (DEVICE->word[1] & 8) {}
    if (DEVICE->word[1] & 4) DEVICE->word[2] = 2;
    return DEVICE->byte[0] ? DEVICE->signed_half[2] : DEVICE->signed_byte[2];
}

#if __ARM_ARCH >= 7
uint32_t atomics(uint32_t* word, uint16_t* half, uint8_t* byte) {
    uint32_t old = __atomic_fetch_add(word, 1, __ATOMIC_SEQ_CST) + __atomic_exchange_n(half, 2, __ATOMIC_ACQ_REL);
    __atomic_store_n(byte, 1, __ATOMIC_RELEASE);
    return old + __atomic_load_n(byte, __ATOMIC_ACQUIRE);
}
#endif

struct block {
    uint32_t words[7];
};

void move(volatile struct block* to, const volatile struct block* from) { *to = *from; }

int many(int (*f)(int, int, int, int, int, int), const int* v) {
    int a = v[0], b = v[1], c = v[2], d = v[3], e = v[4], g = v[5];
    return f(a, b, c, d, e, g) + f(g, e, d, c, b, a) + a * b * c * d * e * g;
}
