// Which element types a build of the runtime computes with. With ETB_WIDE all of ExecuTorch's: also float16, bfloat16,
// float64, uint16, uint32 and uint64, and floating point is computed in double precision. Without, float32, bool and
// the integers of quantised programs, so that a firmware for these has no code for the others.
#pragma once

namespace etb {

#ifdef ETB_WIDE
inline constexpr bool all_types = true;
using Real = double;
#else
inline constexpr bool all_types = false;
using Real = float;
#endif

}  // namespace etb
