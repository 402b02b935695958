// SEGGER's Real Time Transfer: a debug probe finds the control block in RAM by its name and reads the ring buffer
// behind it while the core runs. Without a probe the text is lost and the firmware goes on.
//
// The control block: char name[16] ("SEGGER RTT"), the numbers of up and down buffers, then the buffers: name, address,
// bytes, where the target writes, where the probe reads, flags (2: wait while it is full).
// The block has to be in memory that the data cache does not hold: `placement.data` in a TCM.
#include "board.h"
#include "port/cortex_m/console.h"
#include "port/cortex_m/registers.h"

namespace etb::port {
namespace {

struct Buffer {
    const char* name;
    char* data;
    std::uint32_t bytes;
    volatile std::uint32_t written, read;
    std::uint32_t flags;
};

struct ControlBlock {
    volatile char name[16];
    std::uint32_t up_buffers, down_buffers;
    Buffer up;
};

constexpr std::uint32_t wait_if_full = 2;
// Backwards, so that a probe that searches memory finds the name in the control block only.
constexpr char name_backwards[] = "TTR REGGES";

char ring[board::rtt_bytes];
bool is_read = true;  // the probe takes what is written

}  // namespace
}  // namespace etb::port

extern "C" {
etb::port::ControlBlock _SEGGER_RTT;  // the name that debuggers look up
}

namespace etb::port {

void open_console() {
    _SEGGER_RTT.up = {"etbuild", ring, sizeof ring, 0, 0, wait_if_full};
    _SEGGER_RTT.up_buffers = 1;
    data_barrier();
    for (unsigned i = sizeof name_backwards - 1; i--;)
        _SEGGER_RTT.name[sizeof name_backwards - 2 - i] = name_backwards[i];
    data_barrier();
}

void put(char character) {
    Buffer& up = _SEGGER_RTT.up;
    const std::uint32_t at = up.written, next = at + 1 == sizeof ring ? 0 : at + 1;
    unsigned left = is_read ? most_waits : 1;
    while (next == up.read && --left) {
    }
    is_read = next != up.read;
    if (!is_read) return;
    ring[at] = character;
    data_barrier();
    up.written = next;
}

}  // namespace etb::port
