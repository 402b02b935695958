// Results as lines of text that survive a console: docs/firmware-protocol.md.
//
//   ~ type, 4 hex digits of length, base64 of the data, ':', 8 hex digits of CRC-32 over type, length and data
#pragma once

#include "base/span.h"

namespace etb::app {

constexpr std::size_t most_data = 240;

class Frame {
public:
    explicit Frame(char type) : type_(type) {}

    void u32(std::uint32_t value);
    void u64(std::uint64_t value);
    // What does not fit is left out; callers with more than most_data split it.
    void bytes(Bytes data);
    void text(const char* text);
    void send();

private:
    char type_;
    std::size_t size_ = 0;
    std::uint8_t data_[most_data];
};

// One output of one vector, in as many frames as it takes.
void send_output(std::uint32_t vector, std::uint32_t index, Bytes data);

// The last frame: the exit code and the number of frames before it.
void send_end(int code);

// As zlib has it. start: the CRC of what came before, 0 at first.
std::uint32_t crc32(Bytes data, std::uint32_t start = 0);

}  // namespace etb::app
