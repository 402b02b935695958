// The console of a board without a UART: a debugger or simulator prints.
#include "port/cortex_m/console.h"
#include "port/cortex_m/semihosting.h"

namespace etb::port {

void open_console() {}

void put(char character) { semihosting(sys_writec, &character); }

}  // namespace etb::port
