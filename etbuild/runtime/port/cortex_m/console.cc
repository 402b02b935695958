#include "port/cortex_m/console.h"

#include "board.h"
#include "port/cortex_m/registers.h"
#include "port/port.h"

namespace etb::port {
namespace {

// CMSDK UART registers: DATA, STATE (bit 0: transmit buffer full), CTRL (bit 0: transmit enable), BAUDDIV at offset 16.
constexpr std::uintptr_t uart_data = board::uart_address, uart_state = board::uart_address + 4,
                         uart_control = board::uart_address + 8, uart_divisor = board::uart_address + 16;
// Polls of a full transmit buffer per character. A UART without a clock stays full; the text is then lost and the
// firmware goes on.
constexpr std::uint32_t most_waits = 1'000'000;
constexpr char end_of_transmission = 4;  // an FVP stops at it

constexpr std::uint32_t sys_writec = 0x03, sys_exit_extended = 0x20, application_exit = 0x20026;

// An Arm semihosting call.
std::uint32_t semihosting(std::uint32_t operation, const void* parameter) {
    register std::uint32_t r0 asm("r0") = operation;
    register const void* r1 asm("r1") = parameter;
    asm volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

void put(char character) {
    if (board::has_uart) {
        for (std::uint32_t left = most_waits; left && (word_at<uart_state>() & 1); --left) {
        }
        word_at<uart_data>() = static_cast<std::uint8_t>(character);
    } else {
        semihosting(sys_writec, &character);
    }
}

}  // namespace

void open_console() {
    if (!board::has_uart) return;
    word_at<uart_divisor>() = board::uart_divisor;
    word_at<uart_control>() = 1;
}

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
