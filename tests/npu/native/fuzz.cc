// Fuzzer of the emulator: fuzz RUNS SEED THREADS FILE... It runs mutated command streams and weights in the scalar
// version of the emulator and in another, and prints how often each Status code occurred. It ends with 5 where the two
// do not leave the same Status and the same memory. Built with sanitizers, it aborts at any access outside a buffer,
// overflow or misaligned access. A seed file: four u32 (sizes of the payload and of regions 0, 1, 2), then their bytes.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <thread>
#include <vector>

#include "fast/fast.h"
#include "npu/hazards.h"

namespace {

using namespace etb;
using Buffer = std::vector<std::uint8_t>;

struct Input {
    Buffer payload;
    Buffer regions[3];
};

// xorshift64*: the same sequence on every platform.
struct Random {
    std::uint64_t state;

    std::uint64_t next() {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        return state * 2685821657736338717ULL;
    }
    std::size_t below(std::size_t limit) { return limit == 0 ? 0 : static_cast<std::size_t>(next() >> 16) % limit; }
};

bool read_input(const char* path, Input& out) {
    std::ifstream file(path, std::ios::binary);
    const std::vector<char> bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    std::uint32_t sizes[4];
    if (bytes.size() < sizeof sizes) return false;
    std::memcpy(sizes, bytes.data(), sizeof sizes);
    std::size_t at = sizeof sizes;
    Buffer* const parts[4] = {&out.payload, &out.regions[0], &out.regions[1], &out.regions[2]};
    for (int i = 0; i < 4; ++i) {
        if (sizes[i] > bytes.size() - at) return false;
        const auto* first = reinterpret_cast<const std::uint8_t*>(bytes.data()) + at;
        parts[i]->assign(first, first + sizes[i]);
        at += sizes[i];
    }
    return true;
}

void mutate_bytes(Buffer& bytes, Random& random) {
    if (bytes.empty()) return;
    const std::size_t at = random.below(bytes.size());
    switch (random.below(3)) {
        case 0:
            bytes[at] = static_cast<std::uint8_t>(bytes[at] ^ 1U << random.below(8));
            break;
        case 1:
            bytes[at] = static_cast<std::uint8_t>(random.next());
            break;
        default:
            bytes[at] = random.below(2) ? 0xFF : 0;
    }
}

void mutate_words(Buffer& payload, const Input& other, Random& random) {
    const std::size_t words = payload.size() / 4;
    if (words < 2) return;
    std::uint8_t* const word = payload.data() + random.below(words) * 4;
    static const std::uint32_t interesting[] = {0, 1, 0xFFFF, 0x7FFF, 0xFFFFFFFF, 0x80000000, 0x7FFFFFFF};
    switch (random.below(7)) {
        case 0:
            std::memcpy(word, &interesting[random.below(7)], 4);
            break;
        case 1:
            std::memcpy(word + 2, &interesting[random.below(7)], 2);
            break;
        case 2:
            std::memcpy(word, payload.data() + random.below(words) * 4, 4);
            break;
        case 3:
            payload.erase(payload.begin() + (word - payload.data()), payload.begin() + (word - payload.data()) + 4);
            break;
        case 4:
            payload.resize(random.below(words) * 4 + random.below(4));
            break;
        case 5:
            if (other.payload.size() >= 4)
                std::memcpy(word, other.payload.data() + random.below(other.payload.size() / 4) * 4, 4);
            break;
        default: {
            const auto by = static_cast<std::uint16_t>(random.below(9));
            std::uint16_t value;
            std::memcpy(&value, word + 2, 2);
            value = static_cast<std::uint16_t>(value + by - 4);
            std::memcpy(word + 2, &value, 2);
        }
    }
}

Input mutated(const std::vector<Input>& seeds, Random& random) {
    Input input = seeds[random.below(seeds.size())];
    for (std::size_t i = 1 + random.below(6); i > 0; --i) {
        const std::size_t kind = random.below(8);
        if (kind == 0)
            mutate_bytes(input.payload, random);
        else if (kind == 1)
            mutate_bytes(input.regions[1], random);
        else if (kind <= 3)
            mutate_bytes(input.regions[0], random);
        else
            mutate_words(input.payload, seeds[random.below(seeds.size())], random);
    }
    if (random.below(16) == 0) input.regions[random.below(3)].resize(random.below(64));
    return input;
}

bool same_memory(const Input& a, const Input& b) {
    for (int i = 0; i < 3; ++i)
        if (a.regions[i] != b.regions[i]) return false;
    return true;
}

constexpr std::uint64_t work_limit = 1 << 20;
constexpr std::uint64_t command_limit = 1 << 12;
constexpr std::uint64_t memory_limit = 1 << 24;

Status run_one(Input& input, bool observed, const fast::Path& path) {
    const npu::Emulator emulator{path.u55_u65, path.u85, work_limit, command_limit};
    const npu::Npu machine = npu::emulated_npu(emulator);
    npu::Job job;
    job.payload = {input.payload.data(), input.payload.size()};
    for (int i = 0; i < 3; ++i) {
        const Buffer& bytes = input.regions[i];
        job.regions.at[i] = {bytes.data(), bytes.size(), i != 0};
    }
    std::uint64_t size = 0;
    ETB_TRY(machine.scratch_size(machine.context, job.payload, size));
    if (size > memory_limit) return error(Code::no_memory, "more scratch than the fuzzer gives", size);
    Buffer memory(size);
    Arena scratch;
    scratch.memory = {memory.data(), memory.size()};
    std::vector<npu::ByteHistory> histories[3];
    std::vector<npu::WriterHistory> writers(observed ? 64 : 0);
    npu::Hazard found[4];
    npu::Hazards hazards;
    for (int i = 1; i < 3; ++i) {
        histories[i].resize(observed ? input.regions[i].size() : 0);
        hazards.bytes[i] = {histories[i].data(), histories[i].size()};
    }
    hazards.writers = {writers.data(), writers.size()};
    hazards.found = {found, 4};
    const npu::Observer observer = hazards.observer();
    if (observed) job.observer = &observer;
    const Status status = machine.run(machine.context, job, scratch);
    if (status.code == Code::no_memory && status.number != 0) std::abort();  // scratch_size was too small
    return status;
}

struct Counts {
    long codes[16] = {};
    int failure = 0;  // the program's exit code
};

// Runs as many mutations.
void fuzz(const std::vector<Input>& seeds, long runs, std::uint64_t seed, Counts& counts) {
    const Span<const fast::Path> paths = fast::paths();
    const std::size_t others = paths.size - 1;
    Random random{seed * 2 + 1};
    for (long i = 0; i < runs && counts.failure == 0; ++i) {
        Input input = mutated(seeds, random);
        Input again = input;
        const Buffer weights = input.regions[0];
        const bool observed = random.below(16) == 0;
        const Status status = run_one(input, observed, paths[others]);
        ++counts.codes[static_cast<int>(status.code)];
        if (input.regions[0] != weights) counts.failure = 4;
        const fast::Path& path = paths[random.below(others)];
        const Status other = run_one(again, observed, path);
        if (other.code == status.code && other.number == status.number && same_memory(input, again)) continue;
        std::fprintf(stderr, "seed %llu, run %ld: %s: %s (%llu), scalar: %s (%llu)\n",
                     static_cast<unsigned long long>(seed), i, path.name, other.text,
                     static_cast<unsigned long long>(other.number), status.text,
                     static_cast<unsigned long long>(status.number));
        counts.failure = 5;
    }
}

}  // namespace

int main(int count, char** arguments) {
    if (count < 5) return 2;
    const long runs = std::atol(arguments[1]), seed = std::atol(arguments[2]), threads = std::atol(arguments[3]);
    std::vector<Input> seeds(static_cast<std::size_t>(count - 4));
    for (std::size_t i = 0; i < seeds.size(); ++i)
        if (!read_input(arguments[i + 4], seeds[i])) return 2;
    for (const Input& one : seeds)
        for (const fast::Path& path : fast::paths())
            if (Input input = one; !run_one(input, false, path).ok()) return 3;
    std::vector<Counts> all(static_cast<std::size_t>(threads));
    std::vector<std::thread> running;
    for (long i = 0; i < threads; ++i)
        running.emplace_back([&, i] {
            fuzz(seeds, runs / threads, static_cast<std::uint64_t>(seed + i), all[static_cast<std::size_t>(i)]);
        });
    for (std::thread& thread : running) thread.join();
    Counts sum;
    for (const Counts& one : all) {
        for (int code = 0; code < 16; ++code) sum.codes[code] += one.codes[code];
        if (one.failure) sum.failure = one.failure;
    }
    for (int code = 0; code < 16; ++code)
        if (sum.codes[code]) std::printf("%d %ld\n", code, sum.codes[code]);
    return sum.failure;
}
