// Whether a firmware's program has several methods: compiled with ETB_METHODS, and with methods.cc. Each has a block of
// test vectors; the blocks follow each other in the order of the methods.
#pragma once

#include "app/vectors.h"
#include "exec/method.h"

namespace etb::app {

#ifdef ETB_METHODS
inline constexpr bool several_methods = true;
#else
inline constexpr bool several_methods = false;
#endif

// The first block; `blocks` is what follows it then. Vectors::open checks it.
Bytes take_block(Bytes& blocks);

// The vectors of all blocks.
std::uint32_t vectors_in(Bytes blocks);

// Sends an 'N' frame: the method whose vectors follow.
void send_method(const Method& method, const Vectors& vectors);

}  // namespace etb::app
