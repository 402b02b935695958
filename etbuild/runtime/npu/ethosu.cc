#include "npu/ethosu.h"

namespace etb::npu {
namespace {

enum Register : std::uint32_t {
    reg_id = 0x00,
    reg_status = 0x04,
    reg_cmd = 0x08,
    reg_reset = 0x0C,
    reg_qbase = 0x10,
    reg_qconfig = 0x1C,
    reg_qsize = 0x20,
    reg_prot = 0x24,
    reg_config = 0x28,
    reg_regioncfg = 0x3C,
    reg_axi = 0x40,
    reg_basep = 0x80,
    // From the start of the PMU.
    pmu_control = 0x00,
    pmu_enable = 0x04,
    pmu_cycles = 0x20,
};

constexpr std::uint32_t status_running = 1u << 0, status_resetting = 1u << 3, status_end_reached = 1u << 5;
// Bus error, command that cannot be parsed, ECC; and of U55 and U65 the weight decoder's, of U85 a branch's.
constexpr std::uint32_t faults = 1u << 2 | 1u << 4 | 1u << 8;
constexpr std::uint32_t fault_weights = 1u << 7, fault_branch = 1u << 9;
// cmd_release: clock and power may be switched off when the NPU is idle; 0 keeps both on.
constexpr std::uint32_t cmd_run = 1u << 0, cmd_clear_interrupt = 1u << 1, cmd_release = 3u << 2;
constexpr std::uint32_t prot_mask = 3;
constexpr std::uint32_t pmu_on = 1u << 0, pmu_reset_cycles = 1u << 2, pmu_cycle_counter = 1u << 31;

// What a stream is compiled for: the product, the version of the commands and the multipliers.
constexpr std::uint32_t config_mask = 0xF00000FF;

Product product_of(std::uint32_t config) { return static_cast<Product>(config >> 28); }

bool is_u85(const Ethosu& ethosu) { return product_of(ethosu.config) == Product::ethos_u85; }

std::uint32_t pmu_base(const Ethosu& ethosu) { return is_u85(ethosu) ? 0x1180 : 0x180; }

std::uint32_t status_faults(const Ethosu& ethosu) { return faults | (is_u85(ethosu) ? fault_branch : fault_weights); }

Status reset(const Device& device) {
    const std::uint32_t wanted = device.settings.protection;
    device.begin(device.context);
    device.write(device.context, reg_reset, wanted);
    while (device.read(device.context, reg_status) & status_resetting)
        if (!device.wait(device.context)) return error(Code::timeout, "NPU does not come out of its reset");
    const std::uint32_t prot = device.read(device.context, reg_prot) & prot_mask;
    if (prot == wanted) return {};
    if (wanted == 1) return error(Code::fault, "NPU does not become secure and privileged, PROT is", prot);
    return error(Code::fault, "NPU does not take npu.secure and npu.privileged of the board, PROT is", prot);
}

void write_address(const Device& device, std::uint32_t offset, const void* address) {
    auto value = static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(address));
    if (const Window* window = device.settings.window_of(address))
        value = static_cast<std::uint32_t>(value) + window->offset;
    device.write(device.context, offset, static_cast<std::uint32_t>(value));
    device.write(device.context, offset + 4, static_cast<std::uint32_t>(value >> 32));
}

// After a reset, which clears all of it.
void set_up_memory(const Ethosu& ethosu) {
    const Device& device = ethosu.device;
    const std::uint32_t words = is_u85(ethosu) ? 6 : 4;
    for (std::uint32_t i = 0; i < words; ++i) device.write(device.context, reg_axi + 4 * i, device.settings.axi[i]);
    device.write(device.context, reg_regioncfg, device.settings.regions);
    device.write(device.context, reg_qconfig, device.settings.commands);
}

Status check(const Ethosu& ethosu, Bytes payload, Payload& parsed) {
    ETB_TRY(parse_payload(payload, parsed));
    const std::uint32_t compiled = parsed.config.word;
    if ((compiled ^ ethosu.config) & config_mask)
        return error(Code::mismatch, "compiled for another NPU: configurations",
                     std::uint64_t{compiled} << 32 | ethosu.config);
    const std::uint32_t wanted = parsed.identity, has = ethosu.identity;
    if (wanted >> 28 != has >> 28 || (wanted >> 20 & 0xFF) > (has >> 20 & 0xFF))
        return error(Code::mismatch, "compiled for a newer architecture of the NPU: IDs",
                     std::uint64_t{wanted} << 32 | has);
    return {};
}

Status start(const Ethosu& ethosu, const Job& job, Bytes stream) {
    const Device& device = ethosu.device;
    ETB_TRY(reset(device));
    device.write(device.context, reg_cmd, 0);
    set_up_memory(ethosu);
    write_address(device, reg_qbase, stream.data);
    device.write(device.context, reg_qsize, static_cast<std::uint32_t>(stream.size));
    for (std::uint32_t i = 0; i < 8; ++i) write_address(device, reg_basep + 8 * i, job.regions.at[i].data);
    const std::uint32_t pmu = pmu_base(ethosu);
    device.write(device.context, pmu + pmu_control, pmu_on | pmu_reset_cycles);
    device.write(device.context, pmu + pmu_enable, pmu_cycle_counter);
    device.begin(device.context);
    device.write(device.context, reg_cmd, cmd_run);
    return {};
}

bool is_cached(const Device& device, Bytes range) {
    const Window* window = device.settings.window_of(range.data);
    return !range.empty() && (!window || window->cacheable);
}

bool exceeds_cache(const Device& device, const Job& job, Bytes stream) {
    std::uint64_t total = is_cached(device, stream) ? stream.size : 0;
    for (const Region& region : job.regions.at)
        if (is_cached(device, {region.data, region.size})) total += region.size;
    return total > device.cache_bytes;
}

// Cache maintenance: written back before the job, invalidated after it. Nothing but the NPU writes its memory
// meanwhile, so that no line of it is dirty afterwards, and the whole cache may be written back too.
void prepare_caches(const Device& device, const Job& job, Bytes stream) {
    if (is_cached(device, stream)) device.clean(device.context, stream);
    for (const Region& region : job.regions.at) {
        const Bytes range{region.data, region.size};
        if (is_cached(device, range)) (region.writable ? device.flush : device.clean)(device.context, range);
    }
}

void discard_caches(const Device& device, const Job& job) {
    for (const Region& region : job.regions.at) {
        const Bytes range{region.data, region.size};
        if (region.writable && is_cached(device, range)) device.discard(device.context, range);
    }
}

Status finish(Ethosu& ethosu) {
    const Device& device = ethosu.device;
    std::uint32_t status = device.read(device.context, reg_status);
    bool in_time = true;
    const std::uint32_t failures = status_faults(ethosu);
    while ((status & status_running) && !(status & failures) && in_time) {
        in_time = device.wait(device.context);
        status = device.read(device.context, reg_status);
    }
    const std::uint32_t cycles = pmu_base(ethosu) + pmu_cycles;
    ethosu.cycles =
        device.read(device.context, cycles) | std::uint64_t{device.read(device.context, cycles + 4) & 0xFFFF} << 32;
    device.write(device.context, reg_cmd, cmd_clear_interrupt);
    Status result;
    if ((status & failures) || !(status & status_end_reached) || (status & status_running)) {
        result = in_time ? error(Code::fault, "NPU reports an error, its status is", status)
                         : error(Code::timeout, "NPU does not end in time, its status is", status);
        if (const Status again = reset(device); !again.ok()) result = again;
    }
    device.write(device.context, reg_cmd, cmd_release);
    return result;
}

Status scratch_size(const void* context, Bytes payload, std::uint64_t& bytes) {
    Payload parsed;
    bytes = 0;
    return check(*static_cast<const Ethosu*>(context), payload, parsed);
}

Status run(const void* context, const Job& job, Arena&) {
    // The Npu was made from an Ethosu that may change.
    Ethosu& ethosu = *const_cast<Ethosu*>(static_cast<const Ethosu*>(context));
    Payload parsed;
    ETB_TRY(check(ethosu, job.payload, parsed));
    if (reinterpret_cast<std::uintptr_t>(parsed.stream.data) % 16)
        return error(Code::malformed, "command stream is not aligned to 16 bytes");
    const Device& device = ethosu.device;
    const bool whole = exceeds_cache(device, job, parsed.stream);
    whole ? device.flush_all(device.context) : prepare_caches(device, job, parsed.stream);
    Status status = start(ethosu, job, parsed.stream);
    if (status.ok()) status = finish(ethosu);
    whole ? device.flush_all(device.context) : discard_caches(device, job);
    return status;
}

}  // namespace

const Window* Settings::window_of(const void* address) const {
    const auto at = reinterpret_cast<std::uintptr_t>(address);
    for (std::size_t i = 0; i < window_count; ++i)
        if (at >= windows[i].first && at <= windows[i].last) return &windows[i];
    return nullptr;
}

Status Ethosu::open(const Device& of) {
    device = of;
    const std::uint32_t id = device.read(device.context, reg_id);
    if (id == 0 || id == UINT32_MAX) return error(Code::fault, "no NPU answers at its address: ID is", id);
    identity = id;
    ETB_TRY(reset(device));
    config = device.read(device.context, reg_config);
    device.write(device.context, reg_cmd, cmd_release);
    return {};
}

Npu ethosu_npu(Ethosu& ethosu) { return {&ethosu, scratch_size, run}; }

}  // namespace etb::npu
