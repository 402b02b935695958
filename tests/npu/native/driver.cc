// The register driver against the device model: driver CASE runs one case, driver alone lists them.
#include <cstdio>
#include <string>

#include "device.h"

namespace {

using namespace device;

bool failed = false;

template <class T>
void same(const char* what, const T& got, const T& wanted) {
    if (got == wanted) return;
    failed = true;
    std::printf("%s differs\n", what);
}

void same_text(const char* what, const char* got, const char* wanted) {
    if (std::string(got) == wanted) return;
    failed = true;
    std::printf("%s: got \"%s\", wanted \"%s\"\n", what, got, wanted);
}

constexpr std::uint32_t u55_128 = 0x00001807, u55_256 = 0x00003008, u85_256 = 0x20000118;

// A driver on a device, and a job that copies 32 bytes from region 1 to region 2.
struct Bench {
    alignas(16) std::uint8_t source[32], target[32];
    alignas(16) std::uint32_t payload[32] = {};
    Device device;
    Driver driver;
    npu::Job job;

    explicit Bench(std::uint32_t compiled = u55_128, std::uint32_t fitted = u55_128) {
        for (std::uint8_t i = 0; i < 32; ++i) source[i] = static_cast<std::uint8_t>(i * 5 + 1);
        std::memset(target, 0, sizeof target);
        const std::uint32_t stream[] = {
            0x00010130, 0x00020131, 0x00004030, 0, 0x00004031, 0, 0x00004032, 32, 0x00000010, 0xFFFF0000,
        };  // DMA0_SRC_REGION 1, DMA0_DST_REGION 2, SRC 0, DST 0, LEN 32, DMA_START, STOP
        const std::uint32_t head[] = {0x31504F43, 0x00100001, compiled, 0x10000000, 5, 5, 5, 2 | 10U << 16};
        std::memcpy(payload, head, sizeof head);
        std::memcpy(payload + 8, stream, sizeof stream);
        device.config = fitted;
        device.blocks = {{0x60000000, source, 32},
                         {0x31000000, target, 32},
                         {0x10000000, reinterpret_cast<std::uint8_t*>(payload), sizeof payload}};
        driver.port = &device.port;
        job.payload = {reinterpret_cast<std::uint8_t*>(payload), 18 * 4};
        job.regions.at[1] = npu::Region::read_only({source, 32});
        job.regions.at[2] = npu::Region::read_write({target, 32});
    }

    Status run() {
        const npu::Npu npu = ethosu_npu(driver);
        Arena none;
        return npu.run(npu.context, job, none);
    }
};

void check(const Status& status, Code code, const char* text, std::uint64_t number) {
    same("code", status.code, code);
    same_text("text", status.text, text);
    same("number", status.number, number);
}

void a_job_runs_and_its_registers_are_set() {
    Bench bench;
    bench.driver.wiring.region_config = 0x5;
    bench.driver.wiring.memory[2] = 0x1F3F0002;
    check(bench.run(), Code::ok, "", 0);
    same("result", std::memcmp(bench.source, bench.target, 32), 0);
    same("QBASE", bench.device.pair(reg_qbase), std::uint64_t{0x10000020});
    same("QSIZE", bench.device.at(reg_qsize), 40U);
    same("BASEP1", bench.device.pair(reg_basep + 8), std::uint64_t{0x60000000});
    same("BASEP2", bench.device.pair(reg_basep + 16), std::uint64_t{0x31000000});
    same("BASEP0", bench.device.pair(reg_basep), std::uint64_t{0});
    same("REGIONCFG", bench.device.at(reg_regioncfg), 5U);
    same("AXI_LIMIT2", bench.device.at(reg_memory + 8), 0x1F3F0002U);
    same("interrupt cleared", bench.device.at(reg_status) & status_irq, 0U);
}

void polling_without_a_wait_is_enough_for_a_short_job() {
    Bench bench;
    bench.device.waits_before_end = 0;
    check(bench.run(), Code::ok, "", 0);
    same("waits", bench.device.waits, 0);
}

void the_npu_is_reset_once_for_many_jobs() {
    Bench bench;
    for (int i = 0; i < 3; ++i) check(bench.run(), Code::ok, "", 0);
    same("resets", bench.device.resets, 1);
    same("jobs", bench.device.jobs, 3);
}

void counters_tell_cycles_and_events() {
    Bench bench;
    bench.driver.event_types[1] = 35;
    check(bench.run(), Code::ok, "", 0);
    same("cycles", bench.driver.counters.cycles, std::uint64_t{0x1FFFFFFF0});
    same("event 0", bench.driver.counters.events[0], 0U);
    same("event 1", bench.driver.counters.events[1], 3500U);
}

void caches_are_cleaned_before_and_results_invalidated_after() {
    Bench bench;
    check(bench.run(), Code::ok, "", 0);
    same("cleaned", bench.device.cleaned.size(), std::size_t{3});
    same("invalidated", bench.device.invalidated.size(), std::size_t{1});
    same("invalidated what", bench.device.invalidated[0].data, static_cast<const std::uint8_t*>(bench.target));
}

void a_job_for_other_multipliers_is_refused_by_name() {
    Bench bench(u55_128, u55_256);
    check(bench.run(), Code::mismatch, "compiled for ethos-u55-128, this NPU is ethos-u55-256", u55_256);
    same("jobs", bench.device.jobs, 0);
}

void a_job_for_another_product_is_refused_by_name() {
    Bench bench(u85_256, u55_128);
    check(bench.run(), Code::mismatch, "compiled for ethos-u85-256, this NPU is ethos-u55-128", u55_128);
}

void a_job_for_a_later_revision_is_refused() {
    Bench bench;
    bench.device.identity = 0x0FF00000;
    check(bench.run(), Code::mismatch, "compiled for a later revision of this NPU", 0x0FF00000);
}

void a_bus_error_is_a_fault_with_its_place_and_the_next_job_runs() {
    Bench bench;
    bench.device.fault = status_bus_error;
    check(bench.run(), Code::fault, "NPU: bus error", 16);
    check(bench.run(), Code::ok, "", 0);
    same("resets", bench.device.resets, 2);
}

void an_address_outside_memory_is_a_bus_error() {
    Bench bench;
    bench.payload[8 + 7] = 33;
    check(bench.run(), Code::fault, "NPU: bus error", 16);
}

void a_command_that_the_npu_does_not_know_is_a_fault() {
    Bench bench;
    bench.payload[8] = 0x00000106;
    check(bench.run(), Code::fault, "NPU: does not understand the command stream", 16);
}

void every_other_fault_has_its_text() {
    Bench bench;
    bench.device.fault = status_ecc_fault;
    check(bench.run(), Code::fault, "NPU: internal memory is damaged", 16);
    bench.device.fault = status_weight_fault;
    check(bench.run(), Code::fault, "NPU: weight stream is malformed", 16);
    bench.device.fault = 1U << 9;
    check(bench.run(), Code::fault, "NPU: stopped before the end of the stream", 16);
}

void a_job_that_never_ends_is_stopped_and_the_next_one_runs() {
    Bench bench;
    bench.device.never_ends = true;
    check(bench.run(), Code::timeout, "NPU: job did not end in time", 0);
    same("stops", bench.device.stops, 1);
    same("waits", bench.device.waits, 10);
    bench.device.never_ends = false;
    check(bench.run(), Code::ok, "", 0);
    same("resets", bench.device.resets, 2);
}

void a_reset_that_never_ends_is_a_timeout() {
    Bench bench;
    bench.device.never_resets = true;
    check(bench.run(), Code::timeout, "NPU does not come out of reset", 0);
    same("jobs", bench.device.jobs, 0);
}

void a_security_state_that_is_not_taken_is_a_fault() {
    Bench bench;
    bench.driver.wiring.secure = false;
    bench.device.keeps_security = true;
    check(bench.run(), Code::fault, "NPU did not take the security state asked for", 0);
}

void a_region_off_its_alignment_is_refused() {
    Bench bench;
    bench.device.blocks[0].address += 8;
    check(bench.run(), Code::malformed, "region is not 16-byte aligned", 1);
    same("jobs", bench.device.jobs, 0);
}

void a_payload_that_is_none_is_refused_without_touching_the_npu() {
    Bench bench;
    bench.payload[0] = 0;
    check(bench.run(), Code::malformed, "driver payload does not start with COP1", 0);
    same("resets", bench.device.resets, 0);
}

void the_driver_needs_no_scratch() {
    Bench bench;
    const npu::Npu npu = ethosu_npu(bench.driver);
    std::uint64_t bytes = 1;
    check(npu.scratch_size(npu.context, bench.job.payload, bytes), Code::ok, "", 0);
    same("bytes", bytes, std::uint64_t{0});
}

struct Case {
    const char* name;
    void (*run)();
};

#define CASE(name) \
    { #name, name }
const Case cases[] = {
    CASE(a_job_runs_and_its_registers_are_set),
    CASE(polling_without_a_wait_is_enough_for_a_short_job),
    CASE(the_npu_is_reset_once_for_many_jobs),
    CASE(counters_tell_cycles_and_events),
    CASE(caches_are_cleaned_before_and_results_invalidated_after),
    CASE(a_job_for_other_multipliers_is_refused_by_name),
    CASE(a_job_for_another_product_is_refused_by_name),
    CASE(a_job_for_a_later_revision_is_refused),
    CASE(a_bus_error_is_a_fault_with_its_place_and_the_next_job_runs),
    CASE(an_address_outside_memory_is_a_bus_error),
    CASE(a_command_that_the_npu_does_not_know_is_a_fault),
    CASE(every_other_fault_has_its_text),
    CASE(a_job_that_never_ends_is_stopped_and_the_next_one_runs),
    CASE(a_reset_that_never_ends_is_a_timeout),
    CASE(a_security_state_that_is_not_taken_is_a_fault),
    CASE(a_region_off_its_alignment_is_refused),
    CASE(a_payload_that_is_none_is_refused_without_touching_the_npu),
    CASE(the_driver_needs_no_scratch),
};

}  // namespace

int main(int count, char** arguments) {
    for (const Case& one : cases) {
        if (count < 2) std::printf("%s\n", one.name);
        if (count < 2 || std::string(arguments[1]) != one.name) continue;
        one.run();
        return failed ? 1 : 0;
    }
    return count < 2 ? 0 : 2;
}
