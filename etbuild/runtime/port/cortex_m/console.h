// Console and exit of a board: a CMSDK UART or semihosting, as its header says.
#pragma once

namespace etb::port {

void open_console();

}  // namespace etb::port
