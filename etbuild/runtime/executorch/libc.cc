// What newlib, libstdc++ and ExecuTorch's libraries need of an operating system. Whatever gives up ends the firmware
// with a frame: newlib's own functions wait for ever, without a word.
#include <cstdlib>
#include <cstring>
#include <new>

#include "app/exit.h"
#include "app/frame.h"
#include "executorch/memory.h"
#include "port/port.h"

namespace {

etb::executorch_engine::Range* heap = nullptr;

void say(const char* text) { etb::port::write({reinterpret_cast<const std::uint8_t*>(text), std::strlen(text)}); }

[[noreturn]] void end(etb::app::Exit code, const char* why) {
    say(why);
    say("\r\n");
    etb::app::send_end(code);
    etb::port::exit(code);
}

}  // namespace

namespace etb::executorch_engine {

void set_heap(Range& range) { heap = &range; }

}  // namespace etb::executorch_engine

extern "C" {

// newlib's seed of random numbers, which the C++ library refers to.
int getentropy(void*, std::size_t) { return -1; }

// ExecuTorch's delegate for Ethos-U allocates its handle, and some kernels a temporary shape.
void* _sbrk(std::ptrdiff_t bytes) {
    void* const none = reinterpret_cast<void*>(-1);
    if (!heap || bytes < 0) return none;
    void* const at = heap->from_low(static_cast<std::size_t>(bytes), 1);
    return at ? at : none;
}

void abort() { end(etb::app::exit_run, "aborted"); }

void __assert_func(const char*, int, const char*, const char* condition) { end(etb::app::exit_run, condition); }

void _exit(int) { end(etb::app::exit_run, "left"); }

// The program never returns, so no destructors are registered to run.
extern void* __dso_handle;
void* __dso_handle = nullptr;
int __aeabi_atexit(void*, void (*)(void*), void*) { return 0; }

}  // extern "C"

// Without exceptions: libstdc++'s would unwind the stack, for which an image has no tables.
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept { return std::malloc(bytes ? bytes : 1); }
void* operator new[](std::size_t bytes, const std::nothrow_t&) noexcept { return std::malloc(bytes ? bytes : 1); }
void* operator new(std::size_t bytes) {
    void* const at = std::malloc(bytes ? bytes : 1);
    if (!at) end(etb::app::exit_memory, "no memory");
    return at;
}
void* operator new[](std::size_t bytes) { return operator new(bytes); }
void operator delete(void* at) noexcept { std::free(at); }
void operator delete[](void* at) noexcept { std::free(at); }
void operator delete(void* at, std::size_t) noexcept { std::free(at); }
void operator delete[](void* at, std::size_t) noexcept { std::free(at); }
