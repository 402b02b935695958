// Which element types the kernels of a source are built for. A firmware defines ETB_TYPES for each source, from the
// calls of its program; without it, all types are. What differs between sources has internal linkage, and is for their
// own functions: a template of a header that used it would be one function for all of them.
#pragma once

#include "pte/format.h"

namespace etb {

#ifdef ETB_TYPES
constexpr std::uint32_t built_types = ETB_TYPES;  // bit n: the type with the number n
#else
constexpr std::uint32_t built_types = UINT32_MAX;
#endif

constexpr std::uint32_t type_bit(DType type) { return std::uint32_t{1} << (static_cast<unsigned>(type) & 31); }

static constexpr bool is_built(DType type) { return built_types & type_bit(type); }

// Whether any type with elements of so many bytes is built.
static constexpr bool is_built(std::size_t bytes) {
    for (int number = 0; number < 32; ++number) {
        const auto type = static_cast<DType>(number);
        if (is_built(type) && element_size(type) == bytes) return true;
    }
    return false;
}

// The type of elements that are stored as T; for others u8.
template <class T>
inline constexpr DType type_of = DType::u8;
template <>
inline constexpr DType type_of<std::int8_t> = DType::i8;
template <>
inline constexpr DType type_of<std::int16_t> = DType::i16;
template <>
inline constexpr DType type_of<std::int32_t> = DType::i32;
template <>
inline constexpr DType type_of<std::int64_t> = DType::i64;
template <>
inline constexpr DType type_of<float> = DType::f32;
template <>
inline constexpr DType type_of<double> = DType::f64;
template <>
inline constexpr DType type_of<std::uint16_t> = DType::u16;
template <>
inline constexpr DType type_of<std::uint32_t> = DType::u32;
template <>
inline constexpr DType type_of<std::uint64_t> = DType::u64;

}  // namespace etb
