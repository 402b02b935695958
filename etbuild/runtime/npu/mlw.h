// The compressed weight stream of all Ethos-U ("mlw"): a pull decoder, in constant memory, over untrusted bytes.
//
// Bits are taken from the least significant on. A stream is a row of slices until its bytes are used up:
//
//   ZDIV 3      divisor of zero runs 0-3; 6: no zero runs; 7: skip to the next byte and look again
//   SLICELEN 15 weights of the slice, less 1
//   WDIV 3      divisor of weights 0-5; 7: not compressed
//   WTRUNC 1, NEWPAL 1
//   if NEWPAL: DIROFS 5, PALSIZE 5 (0: none, else less 1), PALBITS 3 (less 2), then the palette
//   chunks: WUNARY0 12 (compressed only), ZUNARY 12 (8 where ZDIV is 3), WUNARY1 (a bit a one of WUNARY0),
//           then the remainders of the chunk before: weights, zero runs
//
// A symbol below the palette's size stands for its entry, any other for itself - size + DIROFS; of that number bit 0
// is the sign and the rest the magnitude. A run of zeros follows each weight, and leads a slice with a new palette.
#pragma once

#include "base/span.h"
#include "npu/verdict.h"

namespace etb::npu {

// Bits of untrusted bytes, least significant first; beyond the end they are ones.
struct BitReader {
    Bytes bytes;
    std::uint64_t position = 0;

    // count: 0..16
    std::uint32_t take(int count);
    [[nodiscard]] bool has(std::uint64_t count) const { return position + count <= std::uint64_t{bytes.size} * 8; }
};

struct WeightStream {
    explicit WeightStream(Bytes encoded = {}) : bits{encoded} {}

    // The next `count` weights. Fewer where the stream ends: `read` says how many.
    Verdict read(std::int16_t* out, std::size_t count, std::size_t& read);

private:
    // Symbols that are decoded but not taken yet. A chunk brings at most 12 of each, and weights and zero runs are
    // never more than 8 apart before one.
    struct Queue {
        std::uint32_t items[64] = {};
        std::uint32_t first = 0, count = 0;

        void push(std::uint32_t item) { items[(first + count++) & 63] = item; }
        std::uint32_t pop() {
            --count;
            return items[first++ & 63];
        }
        [[nodiscard]] bool has_room() const { return count + 12 <= 64; }
    };
    // Quotients whose remainders come with the next chunk.
    struct Pending {
        std::uint32_t quotients[12] = {};
        int count = 0;
    };

    Verdict open_slice(bool& found);
    Verdict read_palette();
    Verdict decode_chunk();
    void decode_zero_quotients(Pending& found);
    void decode_weight_quotients(std::uint32_t first_bits, Pending& found);
    Verdict weight(std::uint32_t symbol, std::int16_t& value) const;

    BitReader bits;
    bool has_zero_runs = false, compressed = false, truncated = false;
    int zero_divisor = 0, weight_bits = 0;  // remainder bits; without compression, of the whole symbol
    std::uint32_t palette[32] = {};
    std::uint32_t palette_size = 0, direct_offset = 0;
    int palette_bits = 0;
    std::uint32_t slice_weights = 0, slice_zeros = 0;      // announced
    std::uint32_t decoded_weights = 0, decoded_zeros = 0;  // quotients seen
    std::uint32_t taken_weights = 0;                       // given out
    std::uint32_t weight_quotient = 0, zero_quotient = 0;  // being counted
    Pending pending_weights, pending_zeros;
    Queue weights, zeros;
    std::uint32_t zeros_left = 0;  // of the run being given out
    bool run_due = false;          // a zero run comes before the next weight
};

}  // namespace etb::npu
