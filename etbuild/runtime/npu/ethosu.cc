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
    reg_axi_limit = 0x40,
    reg_axi_sram = 0x50,
    reg_axi_ext = 0x54,
    reg_basep = 0x80,
    // From the start of the PMU.
    pmu_control = 0x00,
    pmu_enable = 0x04,
    pmu_cycles = 0x20,
};

constexpr std::uint32_t status_running = 1u << 0, status_resetting = 1u << 3, status_end_reached = 1u << 5;
// Bus error, command that cannot be parsed, watchdog, ECC.
constexpr std::uint32_t status_faults = 1u << 2 | 1u << 4 | 1u << 7 | 1u << 8;
constexpr std::uint32_t cmd_run = 1u << 0, cmd_clear_interrupt = 1u << 1;
// Privileged and secure, as the firmware is.
constexpr std::uint32_t prot_privileged = 1u << 0, prot_mask = 3;
constexpr std::uint32_t pmu_on = 1u << 0, pmu_reset_cycles = 1u << 2, pmu_cycle_counter = 1u << 31;
// Reads and writes in flight, less one; the bursts are the longest.
constexpr std::uint32_t u55_limit = 0x0F1F0000, u65_limit = 0x1F3F0000, u85_limit = 0x00021F3F;

// What a stream is compiled for: the product and the multipliers.
constexpr std::uint32_t config_mask = 0xF000000F;

Product product_of(std::uint32_t config) { return static_cast<Product>(config >> 28); }

std::uint32_t pmu_base(std::uint32_t config) { return product_of(config) == Product::ethos_u85 ? 0x1180 : 0x180; }

Status reset(const Device& device) {
    device.begin(device.context);
    device.write(device.context, reg_reset, prot_privileged);
    while (device.read(device.context, reg_status) & status_resetting)
        if (!device.wait(device.context)) return error(Code::timeout, "NPU does not come out of its reset");
    const std::uint32_t prot = device.read(device.context, reg_prot) & prot_mask;
    if (prot != prot_privileged) return error(Code::fault, "NPU does not become secure and privileged, PROT is", prot);
    return {};
}

void write_address(const Device& device, std::uint32_t offset, const void* address) {
    const auto value = static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(address));
    device.write(device.context, offset, static_cast<std::uint32_t>(value));
    device.write(device.context, offset + 4, static_cast<std::uint32_t>(value >> 32));
}

void set_up_memory(const Ethosu& ethosu) {
    const Device& device = ethosu.device;
    std::uint32_t regions = 0;
    for (std::uint32_t i = 0; i < 8; ++i) regions |= (device.ports.region[i] & 3u) << 2 * i;
    device.write(device.context, reg_regioncfg, regions);
    device.write(device.context, reg_qconfig, device.ports.commands);
    if (product_of(ethosu.config) == Product::ethos_u85) {
        device.write(device.context, reg_axi_sram, u85_limit);
        device.write(device.context, reg_axi_ext, u85_limit);
        return;
    }
    const std::uint32_t limit = product_of(ethosu.config) == Product::ethos_u65 ? u65_limit : u55_limit;
    for (std::uint32_t i = 0; i < 4; ++i) device.write(device.context, reg_axi_limit + 4 * i, limit);
}

Status check(const Ethosu& ethosu, Bytes payload, Payload& parsed) {
    ETB_TRY(parse_payload(payload, parsed));
    const std::uint32_t compiled = parsed.config.word;
    if ((compiled ^ ethosu.config) & config_mask)
        return error(Code::mismatch, "compiled for another NPU: configurations",
                     std::uint64_t{compiled} << 32 | ethosu.config);
    return {};
}

void start(const Ethosu& ethosu, const Job& job, Bytes stream) {
    const Device& device = ethosu.device;
    set_up_memory(ethosu);
    write_address(device, reg_qbase, stream.data);
    device.write(device.context, reg_qsize, static_cast<std::uint32_t>(stream.size));
    for (std::uint32_t i = 0; i < 8; ++i) write_address(device, reg_basep + 8 * i, job.regions.at[i].data);
    const std::uint32_t pmu = pmu_base(ethosu.config);
    device.write(device.context, pmu + pmu_control, pmu_on | pmu_reset_cycles);
    device.write(device.context, pmu + pmu_enable, pmu_cycle_counter);
    device.begin(device.context);
    device.write(device.context, reg_cmd, cmd_run);
}

// Cache maintenance: written back before the job, invalidated after it.
void prepare_caches(const Device& device, const Job& job, Bytes stream) {
    device.clean(device.context, stream);
    for (const Region& region : job.regions.at)
        (region.writable ? device.flush : device.clean)(device.context, {region.data, region.size});
}

void discard_caches(const Device& device, const Job& job) {
    for (const Region& region : job.regions.at)
        if (region.writable) device.discard(device.context, {region.data, region.size});
}

Status finish(Ethosu& ethosu) {
    const Device& device = ethosu.device;
    std::uint32_t status = device.read(device.context, reg_status);
    bool in_time = true;
    while ((status & status_running) && !(status & status_faults) && in_time) {
        in_time = device.wait(device.context);
        status = device.read(device.context, reg_status);
    }
    const std::uint32_t cycles = pmu_base(ethosu.config) + pmu_cycles;
    ethosu.cycles =
        device.read(device.context, cycles) | std::uint64_t{device.read(device.context, cycles + 4) & 0xFFFF} << 32;
    device.write(device.context, reg_cmd, cmd_clear_interrupt);
    if (!(status & status_faults) && (status & status_end_reached) && !(status & status_running)) return {};
    const Status result = in_time ? error(Code::fault, "NPU reports an error, its status is", status)
                                  : error(Code::timeout, "NPU does not end in time, its status is", status);
    if (const Status again = reset(device); !again.ok()) return again;
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
    prepare_caches(ethosu.device, job, parsed.stream);
    start(ethosu, job, parsed.stream);
    const Status status = finish(ethosu);
    discard_caches(ethosu.device, job);
    return status;
}

}  // namespace

Status Ethosu::open(const Device& of) {
    device = of;
    const std::uint32_t id = device.read(device.context, reg_id);
    if (id == 0 || id == UINT32_MAX) return error(Code::fault, "no NPU answers at its address: ID is", id);
    ETB_TRY(reset(device));
    config = device.read(device.context, reg_config);
    return {};
}

Npu ethosu_npu(Ethosu& ethosu) { return {&ethosu, scratch_size, run}; }

}  // namespace etb::npu
