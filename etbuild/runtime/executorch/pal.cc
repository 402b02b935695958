// ExecuTorch's platform abstraction layer. The default implementation formats log lines with %zu, which Debian's newlib
// does not support.
#include <executorch/runtime/platform/platform.h>

#include <cstddef>
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

// newlib's seed of random numbers, which the C++ library refers to.
int getentropy(void*, size_t) { return -1; }

// There is no heap: newlib's allocations fail. The program never returns, so no destructors are registered to run.
void* _sbrk(std::ptrdiff_t) { return reinterpret_cast<void*>(-1); }
extern void* __dso_handle;
void* __dso_handle = nullptr;

}  // extern "C"
