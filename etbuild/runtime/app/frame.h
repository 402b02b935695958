// Results as printable, checksummed lines on the console. The protocol is described in docs/firmware-protocol.md.
//
//   '~', type, length (4 hex digits), data (base64), ':', CRC-32 over type, length and data (8 hex digits), CR LF
#pragma once

#include "base/span.h"

namespace etb::app {

constexpr std::size_t most_data = 240;  // bytes per frame

class Frame {
public:
    explicit Frame(char type) : type_(type) {}

    void u32(std::uint32_t value);
    void u64(std::uint64_t value);
    // Data beyond most_data is dropped; callers split larger data into several frames.
    void bytes(Bytes data);
    void text(const char* text);
    void send();

private:
    char type_;
    std::size_t size_ = 0;
    std::uint8_t data_[most_data];
};

// Sends one output of one test vector, in as many 'O' frames as needed.
void send_output(std::uint32_t vector, std::uint32_t index, Bytes data);

// Sends the last frame, 'E': the exit code, and the number of frames before it.
void send_end(int code);

// CRC-32 as in zlib. start: the CRC of the preceding data, 0 at the beginning.
std::uint32_t crc32(Bytes data, std::uint32_t start = 0);

}  // namespace etb::app
