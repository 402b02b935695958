#include "port/cortex_m/cache.h"

#include "board.h"
#include "port/cortex_m/registers.h"

namespace etb::port {
namespace {

constexpr std::uint32_t ccr_ic = 1u << 17, ccr_dc = 1u << 16;

struct Geometry {
    std::uint32_t sets, ways, line_shift;  // bytes of a line: 1 << line_shift
};

Geometry geometry() {
    csselr() = 0;
    data_barrier();
    const std::uint32_t word = ccsidr();
    return {(word >> 13 & 0x7FFF) + 1, (word >> 3 & 0x3FF) + 1, (word & 7) + 4};
}

// Writes each set and way of the data cache to a cache maintenance register.
void for_each_set_and_way(volatile std::uint32_t& operation) {
    const auto [sets, ways, set_shift] = geometry();
    const std::uint32_t way_shift = ways > 1 ? static_cast<std::uint32_t>(__builtin_clz(ways - 1)) : 0;
    for (std::uint32_t set = 0; set < sets; ++set)
        for (std::uint32_t way = 0; way < ways; ++way) operation = way << way_shift | set << set_shift;
    data_barrier();
}

// Writes the address of each cache line of `range` to a cache maintenance register.
void for_each_line(Bytes range, volatile std::uint32_t& operation) {
    if (board::cache_line == 0 || range.empty()) return;
    const auto first = reinterpret_cast<std::uintptr_t>(range.data) & ~std::uintptr_t{board::cache_line - 1};
    const auto end = reinterpret_cast<std::uintptr_t>(range.data) + range.size;
    data_barrier();
    for (auto line = first; line < end; line += board::cache_line) operation = static_cast<std::uint32_t>(line);
    data_barrier();
    instruction_barrier();
}

}  // namespace

void enable_caches() {
    if (board::cache_line == 0) return;
    iciallu() = 0;
    data_barrier();
    instruction_barrier();
    for_each_set_and_way(dcisw());  // its content is undefined after reset
    ccr() = ccr() | ccr_ic | ccr_dc;
    data_barrier();
    instruction_barrier();
}

void clean(Bytes range) { for_each_line(range, dccmvac()); }

void clean_and_invalidate(Bytes range) { for_each_line(range, dccimvac()); }

void invalidate(Bytes range) { for_each_line(range, dcimvac()); }

void clean_and_invalidate_all() {
    if (board::cache_line == 0) return;
    data_barrier();
    for_each_set_and_way(dccisw());
    instruction_barrier();
}

std::uint64_t cache_bytes() {
    if (board::cache_line == 0) return UINT64_MAX;
    const auto [sets, ways, line_shift] = geometry();
    return std::uint64_t{sets} * ways << line_shift;
}

}  // namespace etb::port
