// A C interface to the emulator for the tests in tests/npu: flat memory in, Status out. The structs have the layout of
// those in tests/npu/native.py.
#include <vector>

#include "fast/fast.h"
#include "npu/hazards.h"

namespace {

using namespace etb;

struct Memory {
    std::uint8_t* data[8];
    std::size_t size[8];
    std::uint8_t writable;  // one bit per region
};

struct Result {
    const char* text;
    std::uint64_t number;
    std::uint64_t scratch_size;  // from Npu::scratch_size
    std::uint64_t scratch_peak;  // peak of the arena in Npu::run
};

struct Range {
    std::uint8_t region;
    std::uint64_t address, size;
};

struct Trace {
    std::uint32_t index;
    char name[32];
    std::uint64_t macs, weights, zero_weights, elements;
    std::int64_t min, max;
    std::uint64_t bytes_read[8], bytes_written[8];
};

npu::Job job_of(Bytes payload, const Memory& memory) {
    npu::Job job;
    job.payload = payload;
    for (int i = 0; i < 8; ++i) job.regions.at[i] = {memory.data[i], memory.size[i], (memory.writable >> i & 1) != 0};
    return job;
}

// The version of the emulator, from the end of fast::paths(): 0 is the scalar one.
std::size_t version = 0;

int run(const npu::Job& job, std::uint64_t work_limit, Result& result) {
    const Span<const fast::Path> paths = fast::paths();
    const fast::Path& path = paths[paths.size - 1 - version];
    const npu::Emulator emulator{path.u55_u65, path.u85, work_limit};
    const npu::Npu machine = npu::emulated_npu(emulator);
    Status status = machine.scratch_size(machine.context, job.payload, result.scratch_size);
    if (status.ok()) {
        std::vector<std::uint8_t> bytes(result.scratch_size, 0xA5);  // what the memory held before is of no importance
        Arena scratch;
        scratch.memory = {bytes.data(), bytes.size()};
        status = machine.run(machine.context, job, scratch);
        result.scratch_peak = scratch.peak;
    }
    result.text = status.text;
    result.number = status.number;
    return static_cast<int>(status.code);
}

struct Tracer {
    Trace* out;
    std::size_t room, count;
};

void trace(void* context, const npu::Operation& operation) {
    auto& tracer = *static_cast<Tracer*>(context);
    const npu::Effects effects = npu::measure(operation);
    if (tracer.count >= tracer.room) return;
    Trace& out = tracer.out[tracer.count++];
    out.index = operation.index;
    const char* name = npu::operation_name(operation);
    for (std::size_t i = 0; i + 1 < sizeof out.name && name[i]; ++i) out.name[i] = name[i];
    out.macs = operation.macs;
    out.weights = operation.counters.weights;
    out.zero_weights = operation.counters.zero_weights;
    out.elements = effects.elements;
    out.min = effects.min;
    out.max = effects.max;
    for (int i = 0; i < 8; ++i) {
        out.bytes_read[i] = effects.bytes_read[i];
        out.bytes_written[i] = effects.bytes_written[i];
    }
}

}  // namespace

#define EXPORTED extern "C" __attribute__((visibility("default")))

// The name of a version, null for a number that is too large; all later calls use it.
EXPORTED const char* npu_choose(std::size_t number) {
    const Span<const fast::Path> paths = fast::paths();
    if (number >= paths.size) return nullptr;
    version = number;
    return paths[paths.size - 1 - number].name;
}

// All other functions return the Status code.
EXPORTED int npu_run(const std::uint8_t* payload, std::size_t size, const Memory* memory, std::uint64_t work_limit,
                     Result* result) {
    return run(job_of({payload, size}, *memory), work_limit, *result);
}

// traces: receives one entry per operation, in the order of the stream. *count: in: its capacity; out: entries written.
EXPORTED int npu_trace(const std::uint8_t* payload, std::size_t size, const Memory* memory, Result* result,
                       Trace* traces, std::size_t* count) {
    Tracer tracer{traces, *count, 0};
    npu::Job job = job_of({payload, size}, *memory);
    const npu::Observer observer{&tracer, nullptr, trace};
    job.observer = &observer;
    const int code = run(job, UINT64_MAX, *result);
    *count = tracer.count;
    return code;
}

// ranges: first `inputs` ranges written before the job, then `outputs` ranges read after it. found: receives the
// hazards. *count: in: its capacity; out: the number of hazards, which may exceed the capacity.
EXPORTED int npu_hazards(const std::uint8_t* payload, std::size_t size, const Memory* memory, Result* result,
                         const Range* ranges, std::size_t inputs, std::size_t outputs, npu::Hazard* found,
                         std::size_t* count) {
    std::vector<npu::ByteHistory> bytes[8];
    std::vector<npu::WriterHistory> writers(size / 4);
    npu::Hazards hazards;
    for (int i = 0; i < 8; ++i) {
        if (memory->writable >> i & 1) bytes[i].resize(memory->size[i]);
        hazards.bytes[i] = {bytes[i].data(), bytes[i].size()};
    }
    hazards.writers = {writers.data(), writers.size()};
    hazards.found = {found, *count};
    for (std::size_t i = 0; i < inputs; ++i)
        hazards.written_before(ranges[i].region, ranges[i].address, ranges[i].size);
    npu::Job job = job_of({payload, size}, *memory);
    const npu::Observer observer = hazards.observer();
    job.observer = &observer;
    const int code = run(job, UINT64_MAX, *result);
    for (std::size_t i = inputs; i < inputs + outputs; ++i)
        hazards.read_after(ranges[i].region, ranges[i].address, ranges[i].size);
    hazards.finish();
    *count = hazards.count;
    return code;
}
