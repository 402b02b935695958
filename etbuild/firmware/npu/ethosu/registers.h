// The register file of an Ethos-U as its bus shows it: offsets in bytes, bits of the ones that the driver uses.
#pragma once

#include <cstdint>

namespace etb::npu::ethosu {

inline constexpr std::uint32_t reg_id = 0x000;
inline constexpr std::uint32_t reg_status = 0x004;
inline constexpr std::uint32_t reg_cmd = 0x008;
inline constexpr std::uint32_t reg_reset = 0x00C;
inline constexpr std::uint32_t reg_qbase = 0x010;  // low, then high word
inline constexpr std::uint32_t reg_qread = 0x018;  // bytes of the stream that were read
inline constexpr std::uint32_t reg_qconfig = 0x01C;
inline constexpr std::uint32_t reg_qsize = 0x020;
inline constexpr std::uint32_t reg_prot = 0x024;
inline constexpr std::uint32_t reg_config = 0x028;
inline constexpr std::uint32_t reg_regioncfg = 0x03C;
inline constexpr std::uint32_t reg_memory = 0x040;  // four words: AXI_LIMIT of Ethos-U55 and U65, MEM_ATTR of U85
inline constexpr std::uint32_t reg_basep = 0x080;   // eight pairs of low and high word
inline constexpr std::uint32_t reg_pmcr = 0x180;
inline constexpr std::uint32_t reg_pmcntenset = 0x184;
inline constexpr std::uint32_t reg_pmccntr = 0x1A0;  // low, then high word
inline constexpr std::uint32_t reg_pmevcntr = 0x300;
inline constexpr std::uint32_t reg_pmevtyper = 0x380;

inline constexpr std::uint32_t status_running = 1U << 0;
inline constexpr std::uint32_t status_irq = 1U << 1;
inline constexpr std::uint32_t status_bus_error = 1U << 2;
inline constexpr std::uint32_t status_resetting = 1U << 3;
inline constexpr std::uint32_t status_parse_error = 1U << 4;
inline constexpr std::uint32_t status_end_reached = 1U << 5;
inline constexpr std::uint32_t status_weight_fault = 1U << 7;
inline constexpr std::uint32_t status_ecc_fault = 1U << 8;

inline constexpr std::uint32_t cmd_run = 1U << 0;
inline constexpr std::uint32_t cmd_clear_irq = 1U << 1;
inline constexpr std::uint32_t cmd_clock_off = 1U << 2;  // when idle
inline constexpr std::uint32_t cmd_power_off = 1U << 3;  // when idle
inline constexpr std::uint32_t cmd_stop = 1U << 4;

// RESET and PROT: bit 0 privileged, bit 1 non-secure.
inline constexpr std::uint32_t prot_privileged = 1U << 0;
inline constexpr std::uint32_t prot_non_secure = 1U << 1;

inline constexpr std::uint32_t pmcr_enable = 1U << 0;
inline constexpr std::uint32_t pmcr_reset_events = 1U << 1;
inline constexpr std::uint32_t pmcr_reset_cycles = 1U << 2;
inline constexpr std::uint32_t pmcnten_cycles = 1U << 31;
inline constexpr std::uint32_t event_counters = 4;  // that every Ethos-U has

}  // namespace etb::npu::ethosu
