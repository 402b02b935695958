// The system registers of Armv8-M that the port uses, by their architectural names.
#pragma once

#include <cstdint>

namespace etb::port {

template <std::uintptr_t address>
inline volatile std::uint32_t& word_at() {
    return *reinterpret_cast<volatile std::uint32_t*>(address);
}

inline volatile std::uint32_t& syst_csr() { return word_at<0xE000E010>(); }
inline volatile std::uint32_t& syst_rvr() { return word_at<0xE000E014>(); }
inline volatile std::uint32_t& syst_cvr() { return word_at<0xE000E018>(); }
inline volatile std::uint32_t& icsr() { return word_at<0xE000ED04>(); }
inline volatile std::uint32_t& vtor() { return word_at<0xE000ED08>(); }
inline volatile std::uint32_t& ccr() { return word_at<0xE000ED14>(); }
inline volatile std::uint32_t& shcsr() { return word_at<0xE000ED24>(); }
inline volatile std::uint32_t& cfsr() { return word_at<0xE000ED28>(); }
inline volatile std::uint32_t& hfsr() { return word_at<0xE000ED2C>(); }
inline volatile std::uint32_t& mmfar() { return word_at<0xE000ED34>(); }
inline volatile std::uint32_t& bfar() { return word_at<0xE000ED38>(); }
inline volatile std::uint32_t& ccsidr() { return word_at<0xE000ED80>(); }
inline volatile std::uint32_t& csselr() { return word_at<0xE000ED84>(); }
inline volatile std::uint32_t& cpacr() { return word_at<0xE000ED88>(); }
inline volatile std::uint32_t& demcr() { return word_at<0xE000EDFC>(); }
inline volatile std::uint32_t& sfsr() { return word_at<0xE000EDE4>(); }
inline volatile std::uint32_t& iciallu() { return word_at<0xE000EF50>(); }
inline volatile std::uint32_t& dcimvac() { return word_at<0xE000EF5C>(); }
inline volatile std::uint32_t& dcisw() { return word_at<0xE000EF60>(); }
inline volatile std::uint32_t& dccmvac() { return word_at<0xE000EF68>(); }
inline volatile std::uint32_t& dccisw() { return word_at<0xE000EF74>(); }
inline volatile std::uint32_t& dccimvac() { return word_at<0xE000EF70>(); }
inline volatile std::uint32_t& dwt_ctrl() { return word_at<0xE0001000>(); }
inline volatile std::uint32_t& dwt_cyccnt() { return word_at<0xE0001004>(); }

// NVIC_ISERn, interrupt set-enable: 32 interrupts per word.
inline volatile std::uint32_t& nvic_iser(std::uint32_t word) {
    return *reinterpret_cast<volatile std::uint32_t*>(0xE000E100 + 4 * word);
}

inline void data_barrier() { asm volatile("dsb" ::: "memory"); }
inline void instruction_barrier() { asm volatile("isb" ::: "memory"); }

}  // namespace etb::port
