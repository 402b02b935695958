// A UART like the 16550, also DesignWare's, its registers 1 << board::uart_shift bytes apart: 0 data, 1 interrupts,
// 2 FIFO control (read: bit 6 is set if a FIFO is on and sound), 3 line control (bit 7: the first two registers are the
// divisor), 5 line status (bit 5: the transmit buffer is empty).
#include <type_traits>

#include "board.h"
#include "port/cortex_m/console.h"
#include "port/cortex_m/registers.h"

namespace etb::port {
namespace {

constexpr std::uint32_t eight_bits = 3, divisor_latch = 1u << 7, transmit_empty = 1u << 5;
constexpr std::uint32_t fifo_on_and_empty = 7, fifo_is_on = 1u << 6;
constexpr unsigned fifo_characters = 16;  // at least

using Word = std::conditional_t<(board::uart_shift >= 2), std::uint32_t, std::uint8_t>;

template <unsigned index>
volatile Word& uart() {
    return *reinterpret_cast<volatile Word*>(board::uart_address + (index << board::uart_shift));
}

unsigned room = 0;  // in the transmit buffer

}  // namespace

void open_console() {
    uart<1>() = 0;
    uart<3>() = static_cast<Word>(divisor_latch | eight_bits);
    uart<0>() = static_cast<Word>(board::uart_divisor & 0xFF);
    uart<1>() = static_cast<Word>(board::uart_divisor >> 8);
    uart<3>() = static_cast<Word>(eight_bits);
    uart<2>() = static_cast<Word>(fifo_on_and_empty);
}

void put(char character) {
    if (!room) {
        for (unsigned left = most_waits; left && !(uart<5>() & transmit_empty); --left) {
        }
        room = uart<2>() & fifo_is_on ? fifo_characters : 1;
    }
    --room;
    uart<0>() = static_cast<std::uint8_t>(character);
}

}  // namespace etb::port
