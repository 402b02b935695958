// Arm semihosting: calls to a debugger or simulator, which must be there.
#pragma once

#include <cstdint>

namespace etb::port {

constexpr std::uint32_t sys_writec = 0x03, sys_exit_extended = 0x20;

inline std::uint32_t semihosting(std::uint32_t operation, const void* parameter) {
    register std::uint32_t r0 asm("r0") = operation;
    register const void* r1 asm("r1") = parameter;
    asm volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

}  // namespace etb::port
