// Accesses in IT blocks, and by instructions that write their base back or move several registers.
#include "npu.h"

int main(void) {
    npu_reset(1);
    uint32_t done = 0, seen = 0, skipped = 0x1234;
    __asm__ volatile(
        "movs %[done], #0\n\t"
        "cmp %[done], #0\n\t"
        "itete eq\n\t"
        "ldreq %[seen], [%[npu], #0x28]\n\t"
        "addne %[done], #1\n\t"
        "addeq %[done], #16\n\t"
        "ldrne %[skipped], [%[npu], #0x28]\n\t"
        "add %[done], #64\n\t"
        : [done] "=&l"(done), [seen] "+l"(seen), [skipped] "+l"(skipped)
        : [npu] "l"(NPU_BASE)
        : "cc", "memory");
    print_hex("done", done);
    print_hex("seen", seen);
    print_hex("skipped", skipped);

    uint32_t at = NPU_BASE + NPU_BASEP, pair[2], several[3];
    __asm__ volatile(
        "movw r4, #0x11\n\tmovw r5, #0x22\n\tmovw r6, #0x33\n\t"
        "stmia %[at]!, {r4, r5, r6}\n\t"
        "str r4, [%[at]], #4\n\t"
        "strd r5, r6, [%[at], #8]!\n\t"
        "ldr r4, [%[at], #-8]!\n\t"
        : [at] "+&r"(at)
        :
        : "r4", "r5", "r6", "memory");
    print_hex("base", at - NPU_BASE);
    at = NPU_BASE + NPU_BASEP;
    __asm__ volatile(
        "ldmia %[at], {r4, r5, r6}\n\tldrd r8, r9, [%[at], #24]\n\t"
        "mov %[a], r4\n\tmov %[b], r5\n\tmov %[c], r6\n\tmov %[d], r8\n\tmov %[e], r9"
        : [a] "=&r"(several[0]), [b] "=&r"(several[1]), [c] "=&r"(several[2]), [d] "=&r"(pair[0]), [e] "=&r"(pair[1])
        : [at] "r"(at)
        : "r4", "r5", "r6", "r8", "r9", "memory");
    for (int i = 0; i < 3; ++i) print_hex("several", several[i]);
    for (int i = 0; i < 2; ++i) print_hex("pair", pair[i]);
    print_hex("fourth", npu_read(NPU_BASEP + 12));
    return 0;
}
