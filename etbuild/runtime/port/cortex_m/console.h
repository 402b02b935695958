// The console of a board, port::write and port::exit. One console_<kind>.cc is linked, by the board's uart.kind.
#pragma once

namespace etb::port {

// Polls of a full buffer per character, by kinds that wait. A UART without a clock stays full, and so does a buffer
// that nobody reads: the text is then lost and the firmware goes on.
constexpr unsigned most_waits = 1'000'000;

void open_console();
void put(char character);

}  // namespace etb::port
