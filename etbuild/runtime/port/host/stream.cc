// One command stream on memory that is only partly there: the regions of a job lie in one window of addresses, and the
// caller brings the bytes that the stream touches.
#include <sys/mman.h>

#include <cstring>
#include <vector>

#include "base/little_endian.h"
#include "fast/fast.h"
#include "npu/branch.h"
#include "npu/config.h"
#include "port/host/host.h"

namespace {

using namespace etb;
using namespace etb::npu;

constexpr std::uint64_t space = std::uint64_t{1} << 40;
constexpr std::uint64_t memory_limit = std::uint64_t{1} << 30;
// One or two minutes of one operation, which nothing interrupts; between operations `touch` can.
constexpr std::uint64_t work_limit = std::uint64_t{1} << 37;
constexpr std::uint32_t weight_region = 0x28, scale_region = 0x29, weight_base = 32, scale_base = 34, more_bases = 144;

// What lies where in a stream. place: in bytes.
struct Walk {
    Registers registers;  // as the last operation found them
    Op code = Op::stop;   // of the last operation
    std::size_t place = 0;
    std::uint32_t operations = 0;
    std::uint16_t irq_mask = 0, stop_mask = 0;
    bool stopped = false, cut = false;  // cut: the stream ends inside a command
};

bool at_operation(std::uint32_t word) { return is_operation(word) || is_branch(word); }

// Reads the stream to the operation with this number, or to STOP, or to its end.
Walk walk_to(Bytes stream, std::uint64_t number) {
    Walk walk;
    Cursor cursor{stream};
    std::uint32_t word = 0, second = 0;
    while (cursor.left() >= 4) {
        walk.place = cursor.position;
        (void)cursor.read(word);
        const bool wide = (word & kind_mask) == kind_wide;
        if (wide && !cursor.read(second).ok()) {
            walk.cut = true;
            return walk;
        }
        const auto parameter = static_cast<std::uint16_t>(word >> 16);
        if (at_operation(word)) {
            if (walk.operations++ == number) {
                walk.code = static_cast<Op>(word & 0xFF);
                return walk;
            }
            if (is_branch(word)) continue;
            if (static_cast<Op>(word & 0xFF) == Op::irq) walk.irq_mask |= parameter;
            if (static_cast<Op>(word & 0xFF) != Op::stop) continue;
            walk.stopped = true;
            walk.stop_mask = parameter;
            return walk;
        }
        const std::uint32_t code = word & 0xFF;
        if (wide) {
            walk.registers.low[code] = second;
            walk.registers.high[code] = parameter;
        } else {
            walk.registers.narrow[code] = parameter;
        }
    }
    walk.place = cursor.position;
    walk.cut = cursor.left() > 0;
    return walk;
}

struct Running {
    const etb_job& job;
    etb_touch touch;
    etb_outcome& out;
    bool failed = false;  // by `touch`

    // The bytes of the stream: all of them, or up to the first that no memory answers for.
    bool read_stream(std::vector<std::uint8_t>& stream) const {
        constexpr std::uint64_t step = 4096;
        const std::uint64_t size = job.stream_bytes & ~std::uint64_t{3};
        for (std::uint64_t at = 0; at < size; at += step) {
            const std::uint64_t part = size - at < step ? size - at : step, address = job.stream + at;
            if (address + part > space || touch(address, part, 0) != 0) return false;
            const auto* from = static_cast<const std::uint8_t*>(job.window) + address;
            stream.insert(stream.end(), from, from + part);
        }
        return true;
    }
};

bool touch_region(void* context, std::uint8_t region, std::uint64_t address, std::uint64_t size, bool writes) {
    auto& self = *static_cast<Running*>(context);
    const std::uint64_t at = self.job.bases[region] + address;
    const int answer = at + size > space ? ETB_NO_MEMORY : self.touch(at, size, writes ? 1 : 0);
    if (answer == 0) {
        (writes ? self.out.bytes_written : self.out.bytes_read)[region] += size;
        return true;
    }
    self.failed = answer != ETB_NO_MEMORY;
    self.out.region = region;
    self.out.offset = address;
    self.out.address = at;
    self.out.writes = writes;
    return false;
}

void put_word(std::vector<std::uint8_t>& to, std::uint32_t word) {
    for (int i = 0; i < 4; ++i) to.push_back(static_cast<std::uint8_t>(word >> 8 * i));
}

// A driver payload with this much of the stream and a STOP behind it.
std::vector<std::uint8_t> payload_of(std::uint32_t config, Bytes stream) {
    std::vector<std::uint8_t> payload;
    const auto words = static_cast<std::uint32_t>(stream.size / 4 + 1);
    put_word(payload, 0x31504F43);
    for (const std::uint32_t word : {1u, config, 0u, 2u | (words >> 16 & 0xFF) << 8 | words << 16})
        put_word(payload, word);
    payload.insert(payload.end(), stream.begin(), stream.end());
    put_word(payload, 0);
    return payload;
}

void count(void* context, const Operation& operation) { static_cast<etb_outcome*>(context)->macs += operation.macs; }

Status execute(Running& job, Bytes stream) {
    const std::vector<std::uint8_t> payload = payload_of(job.job.config, stream);
    const fast::Path& fastest = fast::paths()[0];
    const Emulator emulator{fastest.u55_u65, fastest.u85, work_limit};
    const Npu npu = emulated_npu(emulator);
    const Bytes bytes{payload.data(), payload.size()};
    const Reach reach{&job, touch_region};
    const Observer observer{&job.out, count, nullptr};
    Job run{bytes, {}, &observer};
    run.regions.reach = &reach;
    for (int i = 0; i < 8; ++i) {
        const std::uint64_t base = job.job.bases[i];
        if (base >= space) continue;
        run.regions.at[i] = {static_cast<const std::uint8_t*>(job.job.window) + base, space - base, true};
    }
    std::uint64_t needed = 0;
    ETB_TRY(npu.scratch_size(npu.context, bytes, needed));
    if (needed > memory_limit) return error(Code::no_memory, "the stream needs too much memory", needed);
    std::vector<std::uint8_t> memory(static_cast<std::size_t>(needed) + 16);
    const std::size_t gap = (16 - reinterpret_cast<std::uintptr_t>(memory.data()) % 16) % 16;
    Arena arena{{memory.data() + gap, memory.size() - gap}};
    return npu.run(npu.context, run, arena);
}

std::uint64_t wide_register(const Registers& registers, std::uint32_t code) {
    return registers.low[code] | std::uint64_t{registers.high[code]} << 32;
}

// The channel of the access that failed; the numbers are those of STATUS.
std::int32_t channel_of(const Walk& walk, const etb_outcome& out, std::uint32_t config) {
    if (walk.code == Op::dma_start) return out.writes ? 9 : 4;
    if (out.writes) return 8;
    const Registers& registers = walk.registers;
    const bool u85 = config >> 28 == 2;
    const auto is_at = [&](std::uint32_t code) { return out.offset == wide_register(registers, code); };
    if ((registers.narrow[weight_region] & 7) == out.region) {
        if (is_at(weight_base) || is_at(more_bases)) return 2;
        if (u85 && (is_at(more_bases + 2) || is_at(more_bases + 4))) return 2;
    }
    if ((registers.narrow[scale_region] & 7) == out.region && (is_at(scale_base) || (!u85 && is_at(more_bases + 2))))
        return 3;
    return 1;
}

bool begins(const char* text, const char* with) { return std::strncmp(text, with, std::strlen(with)) == 0; }

std::int32_t kind_of(const Running& job, const Status& status) {
    if (job.failed || status.code == Code::timeout || status.code == Code::no_memory) return ETB_REFUSED;
    if (status.code == Code::out_of_bounds) return ETB_BUS_FAULT;
    if (job.job.config >> 28 == 2 && begins(status.text, "BRANCH")) return ETB_BRANCH_FAULT;
    if (job.job.config >> 28 != 2 && begins(status.text, "weights: ")) return ETB_WEIGHT_FAULT;
    return ETB_PARSE_FAULT;
}

// What the NPU had done before the operation that failed is done, too.
void fail(Running& job, const Status& status, Bytes stream) {
    etb_outcome& out = job.out;
    const bool by_word = begins(status.text, "unknown ");
    const Walk walk = walk_to(stream, by_word ? UINT64_MAX : status.number);
    out.kind = kind_of(job, status);
    out.text = status.text;
    out.number = status.number;
    out.read = by_word ? status.number * 4 : walk.place;
    out.irq_mask = walk.irq_mask;
    if (out.kind == ETB_BUS_FAULT) out.channel = channel_of(walk, out, job.job.config);
    if (out.kind == ETB_REFUSED || job.job.config >> 28 == 2 || out.read == 0 || out.read > stream.size) return;
    etb_outcome before = {};
    Running first{job.job, job.touch, before};
    (void)execute(first, {stream.data, static_cast<std::size_t>(out.read)});
    out.macs = before.macs;
}

}  // namespace

int etb_run_stream(const etb_job* job, etb_touch touch, etb_outcome* outcome) {
    *outcome = {};
    outcome->text = "";
    Running running{*job, touch, *outcome};
    std::vector<std::uint8_t> bytes;
    const bool whole = running.read_stream(bytes);
    const Bytes stream{bytes.data(), bytes.size()};
    const Walk walk = walk_to(stream, UINT64_MAX);
    const Status status = execute(running, {stream.data, walk.stopped ? stream.size : walk.place});
    outcome->irq_mask = walk.irq_mask;
    outcome->read = walk.place;
    if (!status.ok()) {
        fail(running, status, stream);
    } else if (walk.stopped) {
        outcome->kind = ETB_STOPPED;
        outcome->irq_mask |= walk.stop_mask;
        outcome->read = walk.place + 4;
    } else if (!whole) {
        outcome->kind = ETB_BUS_FAULT;
        outcome->address = job->stream + bytes.size();
        outcome->text = "no memory answers the fetch of a command";
    } else {
        outcome->kind = walk.cut ? ETB_PARSE_FAULT : ETB_RAN_OUT;
        outcome->text = walk.cut ? "the stream ends inside a command" : "the stream ends without STOP";
    }
    return outcome->kind;
}

void* etb_window_open(uint64_t bytes) {
    void* const window =
        mmap(nullptr, static_cast<size_t>(bytes), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return window == MAP_FAILED ? nullptr : window;
}

int etb_window_map(void* window, uint64_t address, uint64_t bytes, int file, uint64_t offset) {
    void* const at = static_cast<std::uint8_t*>(window) + address;
    const void* const mapped = mmap(at, static_cast<size_t>(bytes), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
                                    file, static_cast<off_t>(offset));
    return mapped == MAP_FAILED ? -1 : 0;
}

void etb_window_close(void* window, uint64_t bytes) { (void)munmap(window, static_cast<size_t>(bytes)); }
