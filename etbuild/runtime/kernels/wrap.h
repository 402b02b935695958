// Addition, subtraction and multiplication under one name for float, double and int64. int64 wraps, as in PyTorch.
#pragma once

#include <cstdint>

namespace etb {

constexpr float plus(float a, float b) { return a + b; }
constexpr float minus(float a, float b) { return a - b; }
constexpr float times(float a, float b) { return a * b; }
constexpr double plus(double a, double b) { return a + b; }
constexpr double minus(double a, double b) { return a - b; }
constexpr double times(double a, double b) { return a * b; }

constexpr std::int64_t plus(std::int64_t a, std::int64_t b) {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}
constexpr std::int64_t minus(std::int64_t a, std::int64_t b) {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b));
}
constexpr std::int64_t times(std::int64_t a, std::int64_t b) {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
}

}  // namespace etb
