// Loads and stores between tensors of any type and short rows of numbers, so that arithmetic is written for two types
// only: float for floating point, int64 for integers and booleans.
#pragma once

#include "kernels/kernel.h"
#include "kernels/wrap.h"

namespace etb {

constexpr int most_lanes = 64;

// Types that arithmetic is done on: float32, int8, uint8, int16, int32, int64, bool.
bool computes(DType type);

// count <= most_lanes elements, the first at `at`, then each `step` further; both in elements.
void load_lanes(const Tensor& from, std::ptrdiff_t at, std::ptrdiff_t step, int count, float* to);
void load_lanes(const Tensor& from, std::ptrdiff_t at, std::ptrdiff_t step, int count, std::int64_t* to);

// Integers that do not fit wrap; floats that do not fit into an integer saturate; to bool all but 0 is true.
void store_lanes(const Tensor& to, std::ptrdiff_t at, std::ptrdiff_t step, int count, const float* from);
void store_lanes(const Tensor& to, std::ptrdiff_t at, std::ptrdiff_t step, int count, const std::int64_t* from);

// A float as an integer without undefined behaviour: towards zero, saturated, 0 for what is not a number.
std::int64_t truncate(float x);

}  // namespace etb
