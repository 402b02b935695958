// Conversion between tensors of any type and short arrays of lanes, so that kernels are written for two lane types
// only: Real (float, or double where all types are built) for floating point, int64 for integers and booleans.
#pragma once

#include "kernels/kernel.h"
#include "kernels/wrap.h"

namespace etb {

constexpr int most_lanes = 64;

// Whether kernels compute with this type: float32, int8, uint8, int16, int32, int64, bool; with all_types, every one.
bool computes(DType type);

// Whether kernels compute with this type and it is floating point.
constexpr bool is_real(DType type) { return all_types ? is_float(type) : type == DType::f32; }

// For kernels that compute integers as Real, and truncate: is_real, and with all_types the integers too.
constexpr bool is_number(DType type) { return all_types ? type != DType::boolean : type == DType::f32; }

// Load `count` (at most most_lanes) elements at `at`, `at + step`, ...; at and step are in elements.
void load_lanes(const Tensor& from, std::ptrdiff_t at, std::ptrdiff_t step, int count, float* to);
void load_lanes(const Tensor& from, std::ptrdiff_t at, std::ptrdiff_t step, int count, double* to);
void load_lanes(const Tensor& from, std::ptrdiff_t at, std::ptrdiff_t step, int count, std::int64_t* to);

// The inverse. An integer wraps to a narrower integer type. A float is truncated to int64 (see `truncate`) and then
// wraps likewise. To bool: true unless 0.
void store_lanes(const Tensor& to, std::ptrdiff_t at, std::ptrdiff_t step, int count, const float* from);
void store_lanes(const Tensor& to, std::ptrdiff_t at, std::ptrdiff_t step, int count, const double* from);
void store_lanes(const Tensor& to, std::ptrdiff_t at, std::ptrdiff_t step, int count, const std::int64_t* from);

// To int64 without undefined behaviour: toward zero, saturated; 0 for NaN.
std::int64_t truncate(float x);
std::int64_t truncate(double x);

}  // namespace etb
