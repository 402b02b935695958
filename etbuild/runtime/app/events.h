// Whether a firmware prints what every instruction took and left: compiled with ETB_EVENTS, and with events.cc.
#pragma once

#include "exec/method.h"

namespace etb::app {

#ifdef ETB_EVENTS
inline constexpr bool events = true;
#else
inline constexpr bool events = false;
#endif

// Sends, after each kernel and delegate of a run, an 'I' frame with its times and an 'R' frame for each of its results.
// One run at a time.
Monitor event_monitor(const Method& method, std::uint32_t vector);

// Ticks that the last monitor's frames took; they are not the run's.
std::uint64_t event_ticks();

}  // namespace etb::app
