#include "app/frame.h"

#include <cstring>

#include "base/little_endian.h"
#include "port/port.h"

namespace etb::app {
namespace {

std::uint32_t sent = 0;

constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// Buffers characters and writes them to the console.
struct Line {
    std::uint8_t text[64];
    std::size_t size = 0;

    void put(char character) {
        if (size == sizeof text) flush();
        text[size++] = static_cast<std::uint8_t>(character);
    }
    void flush() {
        port::write({text, size});
        size = 0;
    }
    void hex(std::uint32_t value, int count) {
        for (int shift = 4 * (count - 1); shift >= 0; shift -= 4) put("0123456789abcdef"[value >> shift & 15]);
    }
    void base64(Bytes data) {
        for (std::size_t i = 0; i < data.size; i += 3) {
            std::uint32_t group = 0;
            for (std::size_t k = 0; k < 3; ++k) group = group << 8 | (i + k < data.size ? data[i + k] : 0u);
            for (std::size_t k = 0; k < 4; ++k) put(i + k <= data.size ? digits[group >> (18 - 6 * k) & 63] : '=');
        }
    }
};

}  // namespace

void Frame::u32(std::uint32_t value) { bytes({reinterpret_cast<const std::uint8_t*>(&value), sizeof value}); }

void Frame::u64(std::uint64_t value) { bytes({reinterpret_cast<const std::uint8_t*>(&value), sizeof value}); }

void Frame::bytes(Bytes data) {
    const std::size_t count = data.size < most_data - size_ ? data.size : most_data - size_;
    if (count) std::memcpy(data_ + size_, data.data, count);
    size_ += count;
}

void Frame::text(const char* text) { bytes({reinterpret_cast<const std::uint8_t*>(text), std::strlen(text)}); }

void Frame::send() {
    const std::uint8_t head[] = {static_cast<std::uint8_t>(type_), static_cast<std::uint8_t>(size_),
                                 static_cast<std::uint8_t>(size_ >> 8)};
    const Bytes data{data_, size_};
    Line line;
    line.put('~');
    line.put(type_);
    line.hex(static_cast<std::uint32_t>(size_), 4);
    line.base64(data);
    line.put(':');
    line.hex(crc32(data, crc32(head)), 8);
    line.put('\r');
    line.put('\n');
    line.flush();
    ++sent;
}

void send_output(std::uint32_t vector, std::uint32_t index, Bytes data) {
    constexpr std::size_t most = most_data - 16;
    std::size_t at = 0;
    do {
        const std::size_t count = data.size - at < most ? data.size - at : most;
        Frame frame('O');
        frame.u32(vector);
        frame.u32(index);
        frame.u32(static_cast<std::uint32_t>(at));
        frame.u32(static_cast<std::uint32_t>(data.size));
        frame.bytes({data.data + at, count});
        frame.send();
        at += count;
    } while (at < data.size);
}

void send_end(int code) {
    Frame frame('E');
    frame.u32(static_cast<std::uint32_t>(code));
    frame.u32(sent);
    frame.send();
}

std::uint32_t crc32(Bytes data, std::uint32_t start) {
    // Table of the reflected polynomial 0xEDB88320 for four bits at a time.
    static const std::uint32_t table[] = {0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC, 0x76DC4190, 0x6B6B51F4,
                                          0x4DB26158, 0x5005713C, 0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C,
                                          0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C};
    std::uint32_t crc = ~start;
    for (const std::uint8_t byte : data) {
        crc ^= byte;
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}

}  // namespace etb::app
