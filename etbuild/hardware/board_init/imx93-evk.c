/* i.MX93, Cortex-M33: DDR as Normal memory, not cached and without code.
 *
 * Armv8-M's default map has 0xA0000000 to 0xDFFFFFFF as Device memory, where an access that is not aligned faults; ATF
 * gives the M33 DDR without execution. Everything outside of the region keeps the default map.
 *
 * Not here: clocks of the NPU and of LPUART2, pins, the power of MLMIX. U-Boot, ATF and Linux of NXP's BSP are expected
 * to leave them on; the bits of their registers are not verified.
 */
#include <stdint.h>

#include "port/board_init.h"

#define MPU_CTRL (*(volatile uint32_t*)0xE000ED94u)
#define MPU_RNR (*(volatile uint32_t*)0xE000ED98u)
#define MPU_RBAR (*(volatile uint32_t*)0xE000ED9Cu)
#define MPU_RLAR (*(volatile uint32_t*)0xE000EDA0u)
#define MPU_MAIR0 (*(volatile uint32_t*)0xE000EDC0u)

enum {
    normal_not_cacheable = 0x44, /* attribute 0 */
    read_write = 1u << 1,        /* RBAR: for any privilege */
    never_execute = 1u << 0,
    enabled = 1u << 0,               /* RLAR and CTRL */
    default_map_elsewhere = 1u << 2, /* CTRL: PRIVDEFENA */
};

extern char etb_region_ddr[], etb_region_ddr_end[];

void etb_board_init(void) {
    __asm volatile("dmb" ::: "memory");
    MPU_CTRL = 0;
    MPU_MAIR0 = normal_not_cacheable;
    MPU_RNR = 0;
    MPU_RBAR = (uint32_t)(uintptr_t)etb_region_ddr | read_write | never_execute;
    MPU_RLAR = (((uint32_t)(uintptr_t)etb_region_ddr_end - 1) & ~31u) | enabled;
    MPU_CTRL = enabled | default_map_elsewhere;
    __asm volatile("dsb\n isb" ::: "memory");
}
