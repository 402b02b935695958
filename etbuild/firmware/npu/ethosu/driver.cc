// One job at a time: check, reset when needed, program, run, wait, judge.
#include "npu/ethosu/driver.h"

#include "npu/ethosu/registers.h"

namespace etb::npu::ethosu {
namespace {

constexpr int reset_attempts = 100'000;

std::uint32_t read(const Driver& driver, std::uint32_t offset) {
    return driver.port->read(driver.port->context, offset);
}

void write(const Driver& driver, std::uint32_t offset, std::uint32_t value) {
    driver.port->write(driver.port->context, offset, value);
}

void write_pair(const Driver& driver, std::uint32_t offset, std::uint64_t value) {
    write(driver, offset, static_cast<std::uint32_t>(value));
    write(driver, offset + 4, static_cast<std::uint32_t>(value >> 32));
}

std::uint64_t bus_address(const Driver& driver, const void* memory) {
    const Port& port = *driver.port;
    return port.bus_address ? port.bus_address(port.context, memory) : reinterpret_cast<std::uintptr_t>(memory);
}

char* append(char* to, const char* text) {
    while (*text) *to++ = *text++;
    *to = 0;
    return to;
}

// Bits 0-3 multipliers, 4-7 stream version, 28-31 product; Ethos-U55 and U65 also 8-15 SHRAM.
std::uint32_t decisive_bits(std::uint32_t config) { return config >> 28 == 2 ? 0xF00000FF : 0xF000FFFF; }

Status check_npu(Driver& driver, const Config& wanted) {
    const std::uint32_t config = read(driver, reg_config), identity = read(driver, reg_id);
    const std::uint32_t mask = decisive_bits(wanted.word);
    if ((config & mask) != (wanted.word & mask)) {
        char* end = append(driver.mismatch, "compiled for ");
        npu_name(wanted.word, end);
        while (*end) ++end;
        end = append(end, ", this NPU is ");
        npu_name(config, end);
        return error(Code::mismatch, driver.mismatch, config);
    }
    // ID: 28-31 major, 20-27 minor revision of the architecture. A later minor runs what an earlier one does.
    const bool same_major = identity >> 28 == wanted.identity >> 28;
    if (!same_major || (identity >> 20 & 0xFF) < (wanted.identity >> 20 & 0xFF))
        return error(Code::mismatch, "compiled for a later revision of this NPU", identity);
    return {};
}

Status reset(Driver& driver) {
    const std::uint32_t mode =
        (driver.wiring.privileged ? prot_privileged : 0) | (driver.wiring.secure ? 0 : prot_non_secure);
    write(driver, reg_reset, mode);
    int attempts = reset_attempts;
    while (read(driver, reg_status) & status_resetting)
        if (--attempts == 0) return error(Code::timeout, "NPU does not come out of reset");
    const std::uint32_t prot = read(driver, reg_prot) & (prot_privileged | prot_non_secure);
    if (prot != mode) return error(Code::fault, "NPU did not take the security state asked for", prot);
    for (std::uint32_t i = 0; i < 4; ++i) write(driver, reg_memory + 4 * i, driver.wiring.memory[i]);
    write(driver, reg_cmd, cmd_clock_off | cmd_power_off);
    driver.needs_reset = false;
    return {};
}

void start_counters(const Driver& driver) {
    write(driver, reg_pmcr, pmcr_enable | pmcr_reset_events | pmcr_reset_cycles);
    std::uint32_t enabled = pmcnten_cycles;
    for (std::uint32_t i = 0; i < event_counters; ++i) {
        write(driver, reg_pmevtyper + 4 * i, driver.event_types[i]);
        if (driver.event_types[i]) enabled |= 1U << i;
    }
    write(driver, reg_pmcntenset, enabled);
}

void read_counters(Driver& driver) {
    // The high word may move between the two reads.
    std::uint32_t high = read(driver, reg_pmccntr + 4), low = 0, before = 0;
    do {
        before = high;
        low = read(driver, reg_pmccntr);
        high = read(driver, reg_pmccntr + 4);
    } while (high != before);
    driver.counters.cycles = static_cast<std::uint64_t>(high) << 32 | low;
    for (std::uint32_t i = 0; i < event_counters; ++i) driver.counters.events[i] = read(driver, reg_pmevcntr + 4 * i);
    write(driver, reg_pmcr, 0);
}

Status program(const Driver& driver, const Job& job, Bytes stream) {
    write_pair(driver, reg_qbase, bus_address(driver, stream.data));
    write(driver, reg_qsize, static_cast<std::uint32_t>(stream.size));
    write(driver, reg_qconfig, driver.wiring.queue_config);
    write(driver, reg_regioncfg, driver.wiring.region_config);
    for (std::uint32_t i = 0; i < 8; ++i) {
        const Region& region = job.regions.at[i];
        const std::uint64_t address = region.data ? bus_address(driver, region.data) : 0;
        if (address & 15) return error(Code::malformed, "region is not 16-byte aligned", i);
        write_pair(driver, reg_basep + 8 * i, address);
    }
    return {};
}

void for_each_memory(const Driver& driver, const Job& job, bool written, void (*act)(void* context, Bytes memory)) {
    if (!act) return;
    if (!written) act(driver.port->context, job.payload);
    for (const Region& region : job.regions.at)
        if (region.data && (!written || region.writable)) act(driver.port->context, {region.data, region.size});
}

Status judge(const Driver& driver, std::uint32_t status) {
    const std::uint32_t at = read(driver, reg_qread);
    if (status & status_bus_error) return error(Code::fault, "NPU: bus error", at);
    if (status & status_parse_error) return error(Code::fault, "NPU: does not understand the command stream", at);
    if (status & status_weight_fault) return error(Code::fault, "NPU: weight stream is malformed", at);
    if (status & status_ecc_fault) return error(Code::fault, "NPU: internal memory is damaged", at);
    if (!(status & status_end_reached)) return error(Code::fault, "NPU: stopped before the end of the stream", at);
    return {};
}

Status wait_for_end(const Driver& driver, std::uint32_t& status) {
    status = read(driver, reg_status);
    while (!(status & status_irq)) {
        if (!driver.port->wait(driver.port->context)) {
            write(driver, reg_cmd, cmd_stop | cmd_clock_off | cmd_power_off);
            return error(Code::timeout, "NPU: job did not end in time", read(driver, reg_qread));
        }
        status = read(driver, reg_status);
    }
    write(driver, reg_cmd, cmd_clear_irq | cmd_clock_off | cmd_power_off);
    return {};
}

Status run_job(Driver& driver, const Job& job, Bytes stream) {
    if (driver.needs_reset) ETB_TRY(reset(driver));
    ETB_TRY(program(driver, job, stream));
    for_each_memory(driver, job, false, driver.port->clean);
    start_counters(driver);
    driver.needs_reset = true;
    write(driver, reg_cmd, cmd_run);
    std::uint32_t status = 0;
    ETB_TRY(wait_for_end(driver, status));
    read_counters(driver);
    ETB_TRY(judge(driver, status));
    driver.needs_reset = false;
    for_each_memory(driver, job, true, driver.port->invalidate);
    return {};
}

Status scratch_size(const void*, Bytes payload, std::uint64_t& bytes) {
    Payload parsed;
    bytes = 0;
    return parse_payload(payload, parsed);
}

Status run(const void* context, const Job& job, Arena&) {
    Driver& driver = *static_cast<Driver*>(const_cast<void*>(context));
    Payload parsed;
    ETB_TRY(parse_payload(job.payload, parsed));
    ETB_TRY(check_npu(driver, parsed.config));
    return run_job(driver, job, parsed.stream);
}

}  // namespace

void npu_name(std::uint32_t config, char* out) {
    static const char* const products[4] = {"ethos-u55-", "ethos-u65-", "ethos-u85-", "ethos-u?-"};
    const std::uint32_t product = config >> 28;
    out = append(out, products[product < 3 ? product : 3]);
    std::uint32_t macs = 1U << (config & 15), divisor = 10000;
    while (divisor > macs) divisor /= 10;
    for (; divisor > 0; divisor /= 10) *out++ = static_cast<char>('0' + macs / divisor % 10);
    *out = 0;
}

Npu ethosu_npu(Driver& driver) { return {&driver, scratch_size, run}; }

}  // namespace etb::npu::ethosu
