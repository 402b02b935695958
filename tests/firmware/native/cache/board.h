// The board of cache.cc's test: lines of 32 bytes.
#pragma once
#include <cstdint>
namespace etb::board {
constexpr std::uint32_t cache_line = 32;
}
