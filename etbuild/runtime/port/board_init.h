/* What a board's own sources (`init` in its file) implement, in C or C++.
 *
 * It is called once, before main: after .data and .bss are ready, with the FPU on and faults trapped, but before the
 * caches, SysTick, the console and constructors; a fault in it can therefore not be printed. Code, stack, .data and
 * .bss must be in memory that needs no set-up. It switches on clocks, power, pins and MPU regions for everything else.
 *
 * Of each region of the board's memory there are its first address and the one after its last:
 *     extern char etb_region_sram[], etb_region_sram_end[];
 */
#ifndef ETB_BOARD_INIT_H
#define ETB_BOARD_INIT_H

#ifdef __cplusplus
extern "C" {
#endif

void etb_board_init(void);

#ifdef __cplusplus
}
#endif

#endif
