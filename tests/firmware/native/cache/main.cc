// port/cortex_m/cache.cc on the host: prints the size of the cache, and how many operations by set and way were given
// for all of it (the addresses go to a word that only keeps the last).
#include <cstdio>

#include "port/cortex_m/cache.h"
#include "port/cortex_m/registers.h"

namespace etb::port {

volatile std::uint32_t csselr_word, ccsidr_word, ccr_word, iciallu_word, operation_word;
int invalidations = 0, flushes = 0;
volatile std::uint32_t& dcisw() {
    ++invalidations;
    return operation_word;
}
volatile std::uint32_t& dccisw() {
    ++flushes;
    return operation_word;
}

}  // namespace etb::port

int main() {
    using namespace etb::port;
    // 256 sets, 4 ways, lines of 32 bytes.
    ccsidr_word = 255u << 13 | 3u << 3 | 1u;
    std::printf("%llu ", static_cast<unsigned long long>(cache_bytes()));
    clean_and_invalidate_all();
    std::printf("%x %d %d ", operation_word, flushes, invalidations);
    enable_caches();
    std::printf("%x %d %d %x\n", operation_word, flushes, invalidations, ccr_word);
}
