// The version for x86-64 with AVX2.
#include <immintrin.h>

#include <cstring>

#include "fast/kernels_plain.h"

namespace etb::fast {
namespace {

bool runs_here() { return __builtin_cpu_supports("avx2") != 0; }

std::int32_t word_at(const std::uint8_t* from) {
    std::int32_t word;
    std::memcpy(&word, from, sizeof word);
    return word;
}

// The products of one group of channels with `pixels` pixels.
template <std::size_t pixels>
void products_of_group(const Products& work, const std::int16_t* weights, std::int32_t* sums) {
    __m256i low[pixels], high[pixels];
    for (std::size_t p = 0; p < pixels; ++p) low[p] = high[p] = _mm256_setzero_si256();
    const std::uint8_t* in = work.inputs;
    for (std::size_t step = 0; step < work.steps; ++step, weights += 2 * lanes, in += 4) {
        const __m256i first = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weights));
        const __m256i second = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weights + lanes));
        for (std::size_t p = 0; p < pixels; ++p) {
            const __m256i pair = _mm256_set1_epi32(word_at(in + p * work.row));
            low[p] = _mm256_add_epi32(low[p], _mm256_madd_epi16(pair, first));
            high[p] = _mm256_add_epi32(high[p], _mm256_madd_epi16(pair, second));
        }
    }
    for (std::size_t p = 0; p < pixels; ++p, sums += work.groups * lanes) {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(sums), low[p]);
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(sums + lanes / 2), high[p]);
    }
}

void products_of_pairs(const Products& work) {
    constexpr std::size_t most = 4;
    const auto* weights = static_cast<const std::int16_t*>(work.weights);
    for (std::size_t group = 0; group < work.groups; ++group, weights += work.steps * 2 * lanes)
        for (std::size_t pixel = 0; pixel < work.pixels; pixel += most) {
            Products part = work;
            part.inputs += pixel * work.row;
            std::int32_t* const sums = work.sums + (pixel * work.groups + group) * lanes;
            switch (work.pixels - pixel) {
                case 1:
                    products_of_group<1>(part, weights, sums);
                    break;
                case 2:
                    products_of_group<2>(part, weights, sums);
                    break;
                case 3:
                    products_of_group<3>(part, weights, sums);
                    break;
                default:
                    products_of_group<most>(part, weights, sums);
            }
        }
}

// (value * multiplier + term) >> (32 + shift) of eight values, in the order of the values. terms: of the even ones and
// four values further of the odd ones.
__m256i scaled(__m256i values, const GroupScales& scales, std::size_t first) {
    const auto load = [](const void* from) { return _mm256_load_si256(static_cast<const __m256i*>(from)); };
    const __m256i multiplier = load(scales.multiplier + first), zero = _mm256_setzero_si256();
    const auto product = [&](__m256i a, __m256i b, std::size_t term) {
        const __m256i full = _mm256_mul_epi32(a, b);
        return _mm256_add_epi64(full, _mm256_blendv_epi8(load(scales.positive + term), load(scales.negative + term),
                                                         _mm256_cmpgt_epi64(zero, full)));
    };
    const __m256i even = product(values, multiplier, first / 2);
    const __m256i odd = product(_mm256_srli_epi64(values, 32), _mm256_srli_epi64(multiplier, 32), (lanes + first) / 2);
    const __m256i upper = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xAA);
    return _mm256_srav_epi32(upper, load(scales.shift + first));
}

void rescale(const Rescale& work) {
    const GroupScales& scales = *work.scales;
    const __m256i low = _mm256_set1_epi32(work.low), high = _mm256_set1_epi32(work.high);
    const __m256i zero_point = _mm256_set1_epi32(work.zero_point), bytes = _mm256_set1_epi32(255);
    const std::int32_t* sums = work.sums;
    std::uint8_t* to = work.to;
    for (std::size_t pixel = 0; pixel < work.pixels; ++pixel, sums += work.stride, to += work.step) {
        __m256i halves[2];
        for (std::size_t half = 0; half < 2; ++half) {
            const auto* bias = reinterpret_cast<const __m256i*>(scales.bias + half * 8);
            const auto* from = reinterpret_cast<const __m256i*>(sums + half * 8);
            const __m256i value = _mm256_add_epi32(_mm256_loadu_si256(from), _mm256_load_si256(bias));
            const __m256i kept = _mm256_max_epi32(_mm256_min_epi32(scaled(value, scales, half * 8), high), low);
            halves[half] = _mm256_and_si256(_mm256_add_epi32(kept, zero_point), bytes);
        }
        const __m256i words = _mm256_permute4x64_epi64(_mm256_packus_epi32(halves[0], halves[1]), 0xD8);
        const __m128i out = _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
        if (work.count == lanes)
            _mm_storeu_si128(reinterpret_cast<__m128i*>(to), out);
        else
            std::memcpy(to, &out, work.count);
    }
}

}  // namespace

const Kernels avx2_kernels = {"avx2", runs_here, products_of_pairs, nullptr, plain_taps, nullptr, rescale};

}  // namespace etb::fast
