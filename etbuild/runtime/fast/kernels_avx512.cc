// The version for x86-64 with AVX-512 and its instructions for products of bytes (VNNI) and permutations of bytes
// (VBMI).
#include <immintrin.h>

#include <cstring>

#include "fast/kernels_plain.h"

namespace etb::fast {
namespace {

bool runs_here() {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vnni");
}

std::int32_t word_at(const std::uint8_t* from) {
    std::int32_t word;
    std::memcpy(&word, from, sizeof word);
    return word;
}

// Sums of products; a word of the inputs has two int16 or four uint8.
struct Pairs {
    static __m512i add(__m512i sum, __m512i inputs, __m512i weights) {
        return _mm512_dpwssd_epi32(sum, inputs, weights);
    }
};
struct Quads {
    static __m512i add(__m512i sum, __m512i inputs, __m512i weights) {
        return _mm512_dpbusd_epi32(sum, inputs, weights);
    }
};

// The products of `groups` groups of channels with `pixels` pixels. A step has 64 bytes of weights.
template <class Format, std::size_t pixels, std::size_t groups>
void products_of_groups(const Products& work, const std::uint8_t* weights, std::int32_t* sums) {
    __m512i all[groups][pixels];
    for (auto& group : all)
        for (__m512i& sum : group) sum = _mm512_setzero_si512();
    const std::uint8_t* in = work.inputs;
    for (std::size_t step = 0; step < work.steps; ++step, weights += 64, in += 4) {
        __m512i column[groups];
        for (std::size_t g = 0; g < groups; ++g) column[g] = _mm512_loadu_si512(weights + g * work.steps * 64);
        for (std::size_t p = 0; p < pixels; ++p) {
            const __m512i word = _mm512_set1_epi32(word_at(in + p * work.row));
            for (std::size_t g = 0; g < groups; ++g) all[g][p] = Format::add(all[g][p], word, column[g]);
        }
    }
    for (std::size_t p = 0; p < pixels; ++p, sums += work.groups * lanes)
        for (std::size_t g = 0; g < groups; ++g) _mm512_storeu_si512(sums + g * lanes, all[g][p]);
}

template <class Format, std::size_t pixels>
void products_of_pixels(const Products& work) {
    const auto* weights = static_cast<const std::uint8_t*>(work.weights);
    std::size_t group = 0;
    for (; group + 2 <= work.groups; group += 2, weights += 2 * work.steps * 64)
        products_of_groups<Format, pixels, 2>(work, weights, work.sums + group * lanes);
    if (group < work.groups) products_of_groups<Format, pixels, 1>(work, weights, work.sums + group * lanes);
}

template <class Format>
void products(const Products& work) {
    static void (*const by_pixels[])(const Products&) = {
        products_of_pixels<Format, 1>, products_of_pixels<Format, 2>, products_of_pixels<Format, 3>,
        products_of_pixels<Format, 4>, products_of_pixels<Format, 5>, products_of_pixels<Format, 6>,
        products_of_pixels<Format, 7>, products_of_pixels<Format, 8>,
    };
    by_pixels[work.pixels - 1](work);
}

// Four columns of 16 channels, [4][16], as [16][4].
__m512i transposed(const std::uint8_t* from) {
    alignas(64) static constexpr std::uint8_t places[64] = {
        0,  16, 32, 48, 1,  17, 33, 49, 2,  18, 34, 50, 3,  19, 35, 51, 4,  20, 36, 52, 5,  21,
        37, 53, 6,  22, 38, 54, 7,  23, 39, 55, 8,  24, 40, 56, 9,  25, 41, 57, 10, 26, 42, 58,
        11, 27, 43, 59, 12, 28, 44, 60, 13, 29, 45, 61, 14, 30, 46, 62, 15, 31, 47, 63};
    return _mm512_permutexvar_epi8(_mm512_load_si512(places), _mm512_loadu_si512(from));
}

// A window of at most `height` rows and four columns, with its weights in registers.
template <std::size_t height>
void taps_of_window(const Taps& work) {
    __m512i weights[height];
    for (std::size_t ky = 0; ky < height; ++ky)
        weights[ky] = _mm512_loadu_si512(static_cast<const std::uint8_t*>(work.weights) + ky * 64);
    for (std::size_t pixel = 0; pixel < work.pixels; ++pixel) {
        __m512i sum = _mm512_setzero_si512();
        for (std::size_t ky = 0; ky < height; ++ky)
            sum = _mm512_dpbusd_epi32(sum, transposed(work.rows[ky] + pixel * work.stride * lanes), weights[ky]);
        _mm512_storeu_si512(work.sums + pixel * lanes, sum);
    }
}

void taps_of_quads(const Taps& work) {
    if (work.width <= 4 && work.height == 3) return taps_of_window<3>(work);
    const std::size_t steps = (work.width + 3) / 4;
    for (std::size_t pixel = 0; pixel < work.pixels; ++pixel) {
        const auto* weights = static_cast<const std::uint8_t*>(work.weights);
        __m512i sum = _mm512_setzero_si512();
        for (std::size_t ky = 0; ky < work.height; ++ky)
            for (std::size_t step = 0; step < steps; ++step, weights += 64)
                sum = _mm512_dpbusd_epi32(sum, transposed(work.rows[ky] + (pixel * work.stride + 4 * step) * lanes),
                                          _mm512_loadu_si512(weights));
        _mm512_storeu_si512(work.sums + pixel * lanes, sum);
    }
}

void rescale(const Rescale& work) {
    const GroupScales& scales = *work.scales;
    const __m512i low = _mm512_set1_epi32(work.low), high = _mm512_set1_epi32(work.high);
    const __m512i zero_point = _mm512_set1_epi32(work.zero_point);
    const __m512i bias = _mm512_load_si512(scales.bias), shift = _mm512_load_si512(scales.shift);
    const __m512i multiplier = _mm512_load_si512(scales.multiplier), odd_multiplier = _mm512_srli_epi64(multiplier, 32);
    const __m512i positive[2] = {_mm512_load_si512(scales.positive), _mm512_load_si512(scales.positive + 8)};
    const __m512i negative[2] = {_mm512_load_si512(scales.negative), _mm512_load_si512(scales.negative + 8)};
    const auto kept = static_cast<__mmask16>((1U << work.count) - 1);
    const auto product = [&](__m512i a, __m512i b, int odd) {
        const __m512i full = _mm512_mul_epi32(a, b);
        const __m512i term = _mm512_mask_blend_epi64(_mm512_movepi64_mask(full), positive[odd], negative[odd]);
        return _mm512_add_epi64(full, term);
    };
    const std::int32_t* sums = work.sums;
    std::uint8_t* to = work.to;
    for (std::size_t pixel = 0; pixel < work.pixels; ++pixel, sums += work.stride, to += work.step) {
        const __m512i value = _mm512_add_epi32(_mm512_loadu_si512(sums), bias);
        const __m512i even = product(value, multiplier, 0);
        const __m512i odd = product(_mm512_srli_epi64(value, 32), odd_multiplier, 1);
        const __m512i upper = _mm512_mask_blend_epi32(0xAAAA, _mm512_srli_epi64(even, 32), odd);
        const __m512i clamped = _mm512_max_epi32(_mm512_min_epi32(_mm512_srav_epi32(upper, shift), high), low);
        _mm512_mask_cvtepi32_storeu_epi8(to, kept, _mm512_add_epi32(clamped, zero_point));
    }
}

}  // namespace

const Kernels avx512_kernels = {"avx512",   runs_here,     products<Pairs>, products<Quads>,
                                plain_taps, taps_of_quads, rescale};

}  // namespace etb::fast
