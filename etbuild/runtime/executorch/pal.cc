// ExecuTorch's platform abstraction layer. The default implementation formats log lines with %zu, which Debian's newlib
// does not support.
#include <executorch/runtime/platform/platform.h>

#include <cstring>

#include "app/exit.h"
#include "app/frame.h"
#include "board.h"
#include "port/port.h"

namespace {

void write(const char* text) { etb::port::write({reinterpret_cast<const std::uint8_t*>(text), std::strlen(text)}); }

}  // namespace

extern "C" {

void et_pal_init(void) {}

void et_pal_abort(void) {
    etb::app::send_end(etb::app::exit_run);
    etb::port::exit(etb::app::exit_run);
}

et_timestamp_t et_pal_current_ticks(void) { return etb::port::ticks(); }

et_tick_ratio_t et_pal_ticks_to_ns_multiplier(void) { return {1000000000, etb::board::clock_hz}; }

void et_pal_emit_log_message(et_timestamp_t, et_pal_log_level_t, const char*, const char*, size_t, const char* message,
                             size_t) {
    write(message);
    write("\r\n");
}

void* et_pal_allocate(size_t) { return nullptr; }

void et_pal_free(void*) {}

}  // extern "C"
