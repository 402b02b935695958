#include "port/cortex_m/console.h"

#include "board.h"
#include "port/cortex_m/semihosting.h"
#include "port/port.h"

namespace etb::port {
namespace {

constexpr char end_of_transmission = 4;  // an FVP stops at it
constexpr std::uint32_t application_exit = 0x20026;

}  // namespace

void write(Bytes text) {
    for (const std::uint8_t character : text) put(static_cast<char>(character));
}

void exit(int code) {
    if (board::has_uart) put(end_of_transmission);
    if (board::semihosting) {
        const std::uint32_t block[] = {application_exit, static_cast<std::uint32_t>(code)};
        semihosting(sys_exit_extended, block);
    }
    for (;;) asm volatile("wfi");
}

}  // namespace etb::port
