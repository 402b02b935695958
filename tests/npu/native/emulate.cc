// A C face of the emulator for the tests: flat memory in, Status out.
#include "npu/emulator.h"

namespace {

using namespace etb;

struct Result {
    const char* text;
    std::uint64_t number;
    std::uint64_t scratch_size;  // as announced
    std::uint64_t scratch_peak;  // as used
};

}  // namespace

// regions: 8 addresses and sizes; writable: one bit a region. Returns the Status code.
extern "C" __attribute__((visibility("default"))) int npu_run(const std::uint8_t* payload, std::size_t payload_size,
                                                              std::uint8_t* const* regions, const std::size_t* sizes,
                                                              unsigned writable, std::uint64_t work_limit,
                                                              Result* result) {
    const npu::Emulator emulator{&npu::u55_u65, &npu::u85, work_limit};
    const npu::Npu machine = npu::emulated_npu(emulator);
    npu::Job job;
    job.payload = {payload, payload_size};
    for (int i = 0; i < 8; ++i) job.regions.at[i] = {regions[i], sizes[i], (writable >> i & 1) != 0};
    Status status = machine.scratch_size(machine.context, job.payload, result->scratch_size);
    if (status.ok()) {
        auto* const memory = new std::uint8_t[result->scratch_size];
        Arena scratch;
        scratch.memory = {memory, result->scratch_size};
        status = machine.run(machine.context, job, scratch);
        result->scratch_peak = scratch.peak;
        delete[] memory;
    }
    result->text = status.text;
    result->number = status.number;
    return static_cast<int>(status.code);
}
