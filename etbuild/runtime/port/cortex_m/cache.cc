#include "port/cortex_m/cache.h"

#include "board.h"
#include "port/cortex_m/registers.h"

namespace etb::port {
namespace {

constexpr std::uint32_t ccr_ic = 1u << 17, ccr_dc = 1u << 16;

// Invalidates the whole data cache by set and way, required before it is enabled: its content is undefined after reset.
void invalidate_all() {
    csselr() = 0;
    data_barrier();
    const std::uint32_t geometry = ccsidr();
    const std::uint32_t sets = (geometry >> 13 & 0x7FFF) + 1, ways = (geometry >> 3 & 0x3FF) + 1;
    const std::uint32_t set_shift = (geometry & 7) + 4;
    const std::uint32_t way_shift = ways > 1 ? static_cast<std::uint32_t>(__builtin_clz(ways - 1)) : 0;
    for (std::uint32_t set = 0; set < sets; ++set)
        for (std::uint32_t way = 0; way < ways; ++way) dcisw() = way << way_shift | set << set_shift;
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
    invalidate_all();
    ccr() = ccr() | ccr_ic | ccr_dc;
    data_barrier();
    instruction_barrier();
}

void clean(Bytes range) { for_each_line(range, dccmvac()); }

void clean_and_invalidate(Bytes range) { for_each_line(range, dccimvac()); }

void invalidate(Bytes range) { for_each_line(range, dcimvac()); }

}  // namespace etb::port
