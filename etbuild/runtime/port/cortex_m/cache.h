// The core's caches. Nothing here does anything on a board without a data cache.
//
// The NPU reads and writes memory behind the cache's back: what it reads is cleaned before a job, what it writes is
// cleaned and invalidated before (so that no dirty line is written back over its results) and invalidated after.
#pragma once

#include "base/span.h"

namespace etb::port {

void enable_caches();
void clean(Bytes range);
void clean_and_invalidate(Bytes range);
void invalidate(Bytes range);

}  // namespace etb::port
