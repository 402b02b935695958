#include "port/cortex_m/fault.h"

#include "app/exit.h"
#include "app/frame.h"
#include "board.h"
#include "port/cortex_m/registers.h"
#include "port/port.h"

extern "C" {
extern std::uint32_t etb_stack[], etb_stack_top[];
[[noreturn, gnu::used]] void etb_report_fault(std::uint32_t exception_return, const std::uint32_t* stacked);

// A separate stack for the fault handler, since the main stack may have overflowed.
[[gnu::used]] alignas(8) std::uint32_t etb_fault_stack[224];
}

namespace etb::port {
namespace {

// Bits of CFSR.
constexpr std::uint32_t stack_overflow = 1u << 20, bus_address_valid = 1u << 15, memory_address_valid = 1u << 7;
constexpr std::uint32_t unstacked = stack_overflow | 1u << 12 | 1u << 4;  // registers not saved (stacking error)

bool is_npu(std::uint32_t address) {
    return board::npu_address && address >= board::npu_address && address < board::npu_address + 0x1000;
}

}  // namespace

void enable_faults() {
    shcsr() = shcsr() | 0xFu << 16;  // MemManage, BusFault, UsageFault, SecureFault
    ccr() = ccr() | 1u << 4;         // trap division by zero
}

}  // namespace etb::port

extern "C" [[gnu::naked]] void etb_fault() {
    asm volatile(
        "mov r0, lr\n"
        "mrs r1, msp\n"
        "movs r2, #0\n"
        "msr msplim, r2\n"
        "ldr r3, =etb_fault_stack\n"
        "add r3, r3, #896\n"
        "msr msp, r3\n"
        "b etb_report_fault\n");
}

// Sends an 'F' frame: u32 exit code, exception number, EXC_RETURN, CFSR, HFSR, SFSR, fault address, then r0-r3, r12,
// lr, pc, xpsr (0 if the core could not save them). etbuild/firmware/protocol.py derives the cause from it.
extern "C" void etb_report_fault(std::uint32_t exception_return, const std::uint32_t* stacked) {
    using namespace etb;
    using namespace etb::port;
    std::uint32_t exception;
    asm volatile("mrs %0, ipsr" : "=r"(exception));
    const std::uint32_t status = cfsr();
    const std::uint32_t address = status & bus_address_valid ? bfar() : status & memory_address_valid ? mmfar() : 0;
    const bool saved = !(status & unstacked) && stacked >= etb_stack && stacked + 8 <= etb_stack_top;
    const bool at_npu = status & bus_address_valid && is_npu(address);
    const int code = at_npu ? app::exit_npu : status & stack_overflow ? app::exit_stack : app::exit_fault;
    app::Frame frame('F');
    const std::uint32_t words[] = {
        static_cast<std::uint32_t>(code), exception, exception_return, status, hfsr(), sfsr(), address};
    for (const std::uint32_t word : words) frame.u32(word);
    for (std::size_t i = 0; i < 8; ++i) frame.u32(saved ? stacked[i] : 0);
    frame.send();
    app::send_end(code);
    exit(code);
}
