// Stand-in for the core's registers, which writes down what is written to those of cache maintenance.
#pragma once
#include <cstdint>

namespace etb::port {

extern volatile std::uint32_t csselr_word, ccsidr_word, ccr_word, iciallu_word, operation_word;
inline volatile std::uint32_t& csselr() { return csselr_word; }
inline volatile std::uint32_t& ccsidr() { return ccsidr_word; }
inline volatile std::uint32_t& ccr() { return ccr_word; }
inline volatile std::uint32_t& iciallu() { return iciallu_word; }
inline volatile std::uint32_t& dcimvac() { return operation_word; }
inline volatile std::uint32_t& dccmvac() { return operation_word; }
inline volatile std::uint32_t& dccimvac() { return operation_word; }
void begin(const char* name);
volatile std::uint32_t& dcisw();
volatile std::uint32_t& dccisw();
inline void data_barrier() {}
inline void instruction_barrier() {}

}  // namespace etb::port
