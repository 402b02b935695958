// The mlw decoder. Its work is bounded by the length of the stream and the number of weights that are requested.
#include "npu/mlw.h"

#include "base/little_endian.h"

namespace etb::npu {
namespace {

constexpr std::uint32_t no_zero_runs = 6, skip_to_byte = 7, uncompressed = 7;

}  // namespace

std::uint32_t BitReader::take(int count) {
    const std::uint64_t byte = position >> 3;
    std::uint32_t window = 0xFFFFFFFF;
    if (byte + 4 <= bytes.size)
        window = load<std::uint32_t>(bytes.data + byte);
    else
        for (std::uint64_t i = 0; byte + i < bytes.size; ++i) window &= ~((bytes.data[byte + i] ^ 0xFFU) << (8 * i));
    const std::uint32_t value = window >> (position & 7) & ((1U << count) - 1);
    position += static_cast<std::uint64_t>(count);
    return value;
}

Verdict WeightStream::read_palette() {
    direct_offset = bits.take(5);
    palette_size = bits.take(5);
    if (palette_size > 0) ++palette_size;
    palette_bits = static_cast<int>(bits.take(3)) + 2;
    if (!bits.has(palette_size * static_cast<std::uint64_t>(palette_bits)))
        return ETB_REFUSE(malformed, "weights: short palette");
    for (std::uint32_t i = 0; i < palette_size; ++i) palette[i] = bits.take(palette_bits);
    return {};
}

Verdict WeightStream::open_slice(bool& found) {
    std::uint32_t zero_code = skip_to_byte;
    while (zero_code == skip_to_byte) {
        found = bits.has(3);
        if (!found) return {};
        zero_code = bits.take(3);
        if (zero_code == skip_to_byte) bits.position = (bits.position + 7) & ~std::uint64_t{7};
    }
    if (zero_code > 3 && zero_code != no_zero_runs) return ETB_REFUSE(malformed, "weights: no such zero divisor");
    has_zero_runs = zero_code != no_zero_runs;
    zero_divisor = static_cast<int>(zero_code);
    slice_weights = bits.take(15) + 1;
    const std::uint32_t weight_code = bits.take(3);
    truncated = bits.take(1) != 0;
    const bool new_palette = bits.take(1) != 0;
    if (new_palette) ETB_ACCEPT(read_palette());
    compressed = weight_code != uncompressed;
    if (compressed && weight_code > 5) return ETB_REFUSE(malformed, "weights: no such divisor");
    weight_bits = static_cast<int>(weight_code);
    if (!compressed) {
        weight_bits = palette_size > 0 ? 0 : palette_bits;
        while (palette_size > 0 && 1U << weight_bits < palette_size) ++weight_bits;
    }
    slice_zeros = slice_weights + (new_palette ? 1 : 0);
    decoded_weights = decoded_zeros = taken_weights = weight_quotient = zero_quotient = 0;
    pending_weights.count = pending_zeros.count = 0;
    run_due = has_zero_runs && new_palette;
    return {};
}

void WeightStream::decode_zero_quotients(Pending& found) {
    const int symbols = zero_divisor < 3 ? 12 : 8;
    std::uint32_t unary = bits.take(symbols);
    for (int i = 0; i < symbols; ++i, unary >>= 1) {
        if (unary & 1) {
            ++zero_quotient;
        } else {
            found.quotients[found.count++] = zero_quotient;
            zero_quotient = 0;
        }
    }
    const std::uint32_t wanted = slice_zeros - decoded_zeros;
    if (static_cast<std::uint32_t>(found.count) > wanted) found.count = static_cast<int>(wanted);
    decoded_zeros += static_cast<std::uint32_t>(found.count);
}

void WeightStream::decode_weight_quotients(std::uint32_t first_bits, Pending& found) {
    int ones = 0;
    for (std::uint32_t rest = first_bits; rest; rest &= rest - 1) ++ones;
    std::uint32_t second_bits = bits.take(ones);
    const int symbols = !compressed && weight_bits > 5 ? 8 : 12;
    const std::uint32_t wanted = slice_weights - decoded_weights;
    for (int i = 0; i < symbols && static_cast<std::uint32_t>(found.count) < wanted; ++i) {
        std::uint32_t code = 0;
        if (first_bits >> i & 1) {
            code = 1 + (second_bits & 1);
            second_bits >>= 1;
        }
        weight_quotient += code;
        if (code < 2 || truncated) {
            found.quotients[found.count++] = weight_quotient;
            weight_quotient = 0;
        }
    }
    decoded_weights += static_cast<std::uint32_t>(found.count);
}

Verdict WeightStream::decode_chunk() {
    const bool wants_weights =
        decoded_weights < slice_weights && (!has_zero_runs || decoded_weights < decoded_zeros + 8);
    const bool wants_zeros = has_zero_runs && decoded_zeros < slice_zeros && decoded_weights >= decoded_zeros;
    if (!wants_weights && !wants_zeros && pending_weights.count + pending_zeros.count == 0)
        return ETB_REFUSE(malformed, "weights: a slice ends before its weights");
    if ((wants_zeros || (wants_weights && compressed)) && !bits.has(1))
        return ETB_REFUSE(malformed, "weights: the stream ends inside a slice");
    if (!weights.has_room() || !zeros.has_room())
        return ETB_REFUSE(malformed, "weights: zero runs and weights drift apart");
    Pending new_weights, new_zeros;
    const std::uint32_t first_bits = wants_weights && compressed ? bits.take(12) : 0;
    if (wants_zeros) decode_zero_quotients(new_zeros);
    if (wants_weights) decode_weight_quotients(first_bits, new_weights);
    for (int i = 0; i < pending_weights.count; ++i)
        weights.push((pending_weights.quotients[i] << weight_bits) + bits.take(weight_bits));
    for (int i = 0; i < pending_zeros.count; ++i)
        zeros.push((pending_zeros.quotients[i] << zero_divisor) + bits.take(zero_divisor));
    pending_weights = new_weights;
    pending_zeros = new_zeros;
    return {};
}

Verdict WeightStream::weight(std::uint32_t symbol, std::int16_t& value) const {
    const std::uint32_t number = symbol < palette_size ? palette[symbol] : symbol - palette_size + direct_offset;
    if (number > 511) return ETB_REFUSE(malformed, "weights: a weight needs more than 9 bits");
    const int magnitude = static_cast<int>(number >> 1);
    value = static_cast<std::int16_t>(number & 1 ? -magnitude : magnitude);
    return {};
}

Verdict WeightStream::read(std::int16_t* out, std::size_t count, std::size_t& read) {
    read = 0;
    while (read < count) {
        if (zeros_left > 0) {
            const std::size_t run = zeros_left < count - read ? zeros_left : count - read;
            for (std::size_t i = 0; i < run; ++i) out[read + i] = 0;
            read += run;
            zeros_left -= static_cast<std::uint32_t>(run);
        } else if (run_due) {
            if (zeros.count == 0) {
                ETB_ACCEPT(decode_chunk());
                continue;
            }
            zeros_left = zeros.pop();
            run_due = false;
        } else if (taken_weights == slice_weights) {
            bool found = false;
            ETB_ACCEPT(open_slice(found));
            if (!found) return {};
        } else if (weights.count == 0) {
            ETB_ACCEPT(decode_chunk());
        } else {
            ETB_ACCEPT(weight(weights.pop(), out[read++]));
            ++taken_weights;
            run_due = has_zero_runs;
        }
    }
    return {};
}

}  // namespace etb::npu
