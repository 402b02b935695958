// The bias and scale stream: 10 bytes per channel. With several streams (cores), channel c is in stream c % cores.
#include "npu/weights.h"

namespace etb::npu {
namespace {

std::uint64_t little(const std::uint8_t* from, int bytes) {
    std::uint64_t value = 0;
    for (int i = bytes - 1; i >= 0; --i) value = value << 8 | from[i];
    return value;
}

}  // namespace

void read_channel_scales(const Operation& operation, std::int32_t first, std::int32_t count, ChannelScale* out) {
    const ChannelScales& from = operation.channel_scales;
    for (std::int32_t i = 0; i < count; ++i) {
        const std::int32_t channel = first + i;
        const std::uint8_t* record = from.streams[channel % from.cores].data + channel / from.cores * 10;
        const int unused = 64 - 8 * from.bias_bytes;
        out[i].bias = static_cast<std::int64_t>(little(record, from.bias_bytes) << unused) >> unused;
        out[i].scale.multiplier =
            static_cast<std::int64_t>(little(record + from.bias_bytes, from.scale_bytes) & from.scale_mask);
        out[i].scale.shift = record[from.bias_bytes + from.scale_bytes] & 63;
        out[i].scale.rounding = operation.scale.rounding;
        out[i].scale.pre_shift = 0;
    }
}

}  // namespace etb::npu
