// The trace buffer of a remote processor: Linux reads it as text up to its first zero byte, at any time. It finds the
// buffer by the resource table, which it reads from the ELF file.
#include <cstddef>

#include "board.h"
#include "port/cortex_m/console.h"

namespace etb::port {
namespace {

// As include/linux/remoteproc.h of Linux lays it out; all values are little endian.
struct ResourceTable {
    std::uint32_t version, entries, reserved[2], offset;
    std::uint32_t type, address, bytes, reserved_too;
    char name[32];
};
constexpr std::uint32_t type_trace = 2;

[[gnu::section(".resource_table"), gnu::used]] constexpr ResourceTable resource_table{
    1, 1, {0, 0}, offsetof(ResourceTable, type), type_trace, board::trace_address, board::trace_bytes, 0, "etbuild"};

std::uint32_t length = 0;

volatile char* text() { return reinterpret_cast<volatile char*>(std::uintptr_t{board::trace_address}); }

}  // namespace

void open_console() { text()[0] = 0; }

void put(char character) {
    if (length + 1 >= board::trace_bytes) return;  // full: the end frame is then missing, which the host reports
    text()[length + 1] = 0;
    text()[length++] = character;
}

}  // namespace etb::port
