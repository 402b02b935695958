// Reads a driver payload, and what follows from its CONFIG word.
#include "npu/config.h"

#include "base/little_endian.h"

namespace etb::npu {
namespace {

constexpr std::uint32_t cop1 = 0x31504F43;
constexpr std::uint32_t action_config = 1, action_stream = 2, action_nothing = 5;

Status read_config(std::uint32_t word, Config& config) {
    const std::uint32_t product = word >> 28, log2_macs = word & 15;
    config.word = word;
    config.macs = 1 << log2_macs;
    if (product == 2) {
        if (log2_macs < 7 || log2_macs > 11) return error(Code::mismatch, "no such Ethos-U85", word);
        config.product = Product::ethos_u85;
        config.cores = config.macs >= 1024 ? 4 : config.macs == 512 ? 2 : 1;
        config.tables_size = 4096;
        return {};
    }
    if (product > 2 || log2_macs < 5 || log2_macs > 9) return error(Code::mismatch, "no such Ethos-U", word);
    config.product = product == 0 ? Product::ethos_u55 : Product::ethos_u65;
    config.cores = product == 1 && config.macs == 512 ? 2 : 1;
    config.ofm_microblock_depth = config.macs == 32 ? 4 : 8;
    const std::uint32_t shram_bytes = (word >> 8 & 0xFF) * 1024 / static_cast<std::uint32_t>(config.cores);
    config.tables_size = 2048;
    if (shram_bytes < config.tables_size) return error(Code::mismatch, "NPU without memory for tables", word);
    config.tables_address = shram_bytes - config.tables_size;
    return {};
}

}  // namespace

Status parse_payload(Bytes payload, Payload& out) {
    Cursor cursor{payload};
    std::uint32_t word = 0;
    ETB_TRY(cursor.read(word));
    if (word != cop1) return error(Code::malformed, "driver payload does not start with COP1", word);
    bool configured = false;
    while (cursor.left() >= sizeof word) {
        ETB_TRY(cursor.read(word));
        const std::uint32_t action = word & 0xFF;
        if (action == action_nothing) continue;
        if (action == action_config) {
            std::uint32_t config = 0;
            ETB_TRY(cursor.read(config));
            ETB_TRY(cursor.read(out.identity));
            ETB_TRY(read_config(config, out.config));
            configured = true;
        } else if (action == action_stream) {
            if (!configured || out.stream.data) return error(Code::malformed, "driver payload out of order", action);
            const std::uint32_t words = (word >> 8 & 0xFF) << 16 | word >> 16;
            ETB_TRY(cursor.take(std::uint64_t{words} * 4, out.stream));
        } else {
            return error(Code::unsupported, "driver action is not known", action);
        }
    }
    return out.stream.data ? Status{} : error(Code::malformed, "driver payload without a command stream");
}

}  // namespace etb::npu
