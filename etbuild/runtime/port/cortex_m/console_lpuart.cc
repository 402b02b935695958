// NXP's LPUART of the i.MX families: PARAM 04 (bits 0-7: the transmit FIFO takes 2 to the power of this), GLOBAL 08 (bit
// 1: reset), BAUD 10 (bits 24-28: samples a bit, less one; 0-12: the divisor), STAT 14 (bit 23: the transmit buffer is
// empty, as WATER has it after a reset), CTRL 18 (bit 19: transmit enable), DATA 1C, FIFO 28 (bit 7: transmit FIFO on).
#include "board.h"
#include "port/cortex_m/console.h"
#include "port/cortex_m/registers.h"

namespace etb::port {
namespace {

constexpr std::uintptr_t uart_param = board::uart_address + 0x04, uart_global = board::uart_address + 0x08,
                         uart_baud = board::uart_address + 0x10, uart_status = board::uart_address + 0x14,
                         uart_control = board::uart_address + 0x18, uart_data = board::uart_address + 0x1C,
                         uart_fifo = board::uart_address + 0x28;
constexpr std::uint32_t reset = 1u << 1, sixteen_samples = 15u << 24, transmit_ready = 1u << 23, transmit_on = 1u << 19;
constexpr std::uint32_t transmit_fifo_on = 1u << 7, fifo_size = 7;

unsigned room_of_empty_buffer = 1, room = 0;

}  // namespace

void open_console() {
    word_at<uart_global>() = reset;
    word_at<uart_global>() = 0;
    word_at<uart_baud>() = sixteen_samples | board::uart_divisor;
    word_at<uart_fifo>() = transmit_fifo_on;
    room_of_empty_buffer = 1u << (word_at<uart_param>() & fifo_size);
    word_at<uart_control>() = transmit_on;
}

void put(char character) {
    if (!room) {
        for (unsigned left = most_waits; left && !(word_at<uart_status>() & transmit_ready); --left) {
        }
        room = room_of_empty_buffer;
    }
    --room;
    word_at<uart_data>() = static_cast<std::uint8_t>(character);
}

}  // namespace etb::port
