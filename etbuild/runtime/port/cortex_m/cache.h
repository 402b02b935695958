// The caches of the core. On a board without a data cache (board::cache_line == 0) all functions do nothing.
//
// The NPU's memory accesses bypass the CPU's data cache: memory that it reads is cleaned before a job; memory that it
// writes is cleaned and invalidated before (so that no dirty line is written back over its results), and invalidated
// after.
#pragma once

#include "base/span.h"

namespace etb::port {

void enable_caches();
void clean(Bytes range);
void clean_and_invalidate(Bytes range);
void invalidate(Bytes range);
// By set and way: fewer operations than by address for more memory than the cache holds.
void clean_and_invalidate_all();
std::uint64_t cache_bytes();

}  // namespace etb::port
