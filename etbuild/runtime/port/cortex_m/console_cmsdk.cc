// The UART of Arm's CMSDK: DATA, STATE (bit 0: transmit buffer full), CTRL (bit 0: transmit enable), BAUDDIV at offset
// 16.
#include "board.h"
#include "port/cortex_m/console.h"
#include "port/cortex_m/registers.h"

namespace etb::port {
namespace {

constexpr std::uintptr_t uart_data = board::uart_address, uart_state = board::uart_address + 4,
                         uart_control = board::uart_address + 8, uart_divisor = board::uart_address + 16;

}  // namespace

void open_console() {
    word_at<uart_divisor>() = board::uart_divisor;
    word_at<uart_control>() = 1;
}

void put(char character) {
    for (unsigned left = most_waits; left && (word_at<uart_state>() & 1); --left) {
    }
    word_at<uart_data>() = static_cast<std::uint8_t>(character);
}

}  // namespace etb::port
