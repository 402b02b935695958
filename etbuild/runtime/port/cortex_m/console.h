// The console of a board, port::write and port::exit: a CMSDK UART or semihosting, as board.h selects.
#pragma once

namespace etb::port {

void open_console();

}  // namespace etb::port
