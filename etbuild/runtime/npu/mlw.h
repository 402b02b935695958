// The compressed weight stream of all Ethos-U ("mlw"): an incremental decoder with constant memory; the bytes are
// untrusted.
//
// Bits are read from the least significant on. A stream is a sequence of slices up to its end:
//
//   ZDIV 3      log2 of the Golomb-Rice divisor of zero runs, 0-3; 6: no zero runs; 7: skip to the next byte and read
//               ZDIV again
//   SLICELEN 15 weights in the slice - 1
//   WDIV 3      log2 of the Golomb-Rice divisor of weights, 0-5; 7: not compressed
//   WTRUNC 1, NEWPAL 1
//   if NEWPAL: DIROFS 5, PALSIZE 5 (0: no palette, else its size - 1), PALBITS 3 (bits per entry - 2), the palette
//   chunks: WUNARY0 12 (compressed only), ZUNARY 12 (8 if ZDIV is 3), WUNARY1 (one bit per 1 bit of WUNARY0), then the
//           remainders of the previous chunk: weights, zero runs
//
// A symbol s below the palette's size selects palette entry s; any other is the number s - size + DIROFS. Bit 0 of the
// number is the sign, the other bits the magnitude. A zero run follows each weight; with a new palette one also
// precedes the first weight of the slice.
#pragma once

#include "base/span.h"
#include "npu/verdict.h"

namespace etb::npu {

// Reads bits, least significant first; beyond the end all bits are 1.
struct BitReader {
    Bytes bytes;
    std::uint64_t position = 0;

    // count: 0..16
    std::uint32_t take(int count);
    [[nodiscard]] bool has(std::uint64_t count) const { return position + count <= std::uint64_t{bytes.size} * 8; }
};

struct WeightStream {
    explicit WeightStream(Bytes encoded = {}) : bits{encoded} {}

    // Decodes the next `count` weights. read: the number decoded, less than `count` at the end of the stream.
    Verdict read(std::int16_t* out, std::size_t count, std::size_t& read);

private:
    // Decoded symbols that are not yet output. A chunk adds at most 12 of each kind, and weights and zero runs are at
    // most 8 apart before a chunk.
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
    // Quotients whose remainders are in the next chunk.
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
    int zero_divisor = 0, weight_bits = 0;  // remainder bits; uncompressed: bits of the symbol
    std::uint32_t palette[32] = {};
    std::uint32_t palette_size = 0, direct_offset = 0;
    int palette_bits = 0;
    std::uint32_t slice_weights = 0, slice_zeros = 0;      // of the current slice
    std::uint32_t decoded_weights = 0, decoded_zeros = 0;  // number of quotients read
    std::uint32_t taken_weights = 0;                       // number of weights output
    std::uint32_t weight_quotient = 0, zero_quotient = 0;  // unary code read so far
    Pending pending_weights, pending_zeros;
    Queue weights, zeros;
    std::uint32_t zeros_left = 0;  // of the current zero run
    bool run_due = false;          // a zero run comes before the next weight
};

}  // namespace etb::npu
