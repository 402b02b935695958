// Fuzzer of .pte and .ptd files: damages valid files, then loads and runs them under the sanitizers.
//
//   fuzz_pte truncate FILE...                truncates each file at every byte; a truncated file must be refused
//   fuzz_pte mutate SECONDS SEED FILE...     random damage; prints the number of runs and the stage that they reached
//
// An attempt that takes longer than 30 s is killed by SIGALRM: nothing may hang.
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "exec/method.h"
#include "npu/emulator.h"

namespace {

using namespace etb;

// Planned memory of one program. A larger program is refused, as on a microcontroller.
constexpr std::size_t pool_bytes = 256 << 10;
constexpr std::size_t pools = 4;

// Memory of exactly `size` bytes, aligned as malloc aligns, so that AddressSanitizer finds an access one byte beyond
// it.
struct Buffer {
    std::uint8_t* data;
    std::size_t size;

    explicit Buffer(std::size_t bytes) : data(static_cast<std::uint8_t*>(std::malloc(bytes ? bytes : 1))), size(bytes) {
        std::memset(data, 0x5A, bytes);
    }
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;
    ~Buffer() { std::free(data); }
    [[nodiscard]] MutableBytes span() const { return {data, size}; }
};

enum Stage { OPENED = 1, LOADED, RAN };

int attempt(const std::vector<std::uint8_t>& bytes) {
    alarm(30);
    Buffer file(bytes.size());
    if (!bytes.empty()) std::memcpy(file.data, bytes.data(), bytes.size());
    if (file.size > 8 && std::memcmp(file.data + 4, "FT01", 4) == 0) {
        DataFile data;
        if (!DataFile::open({file.data, file.size}, data).ok()) return 0;
        Bytes found;
        return data.named("a name that is not there", found).ok() ? LOADED : OPENED;
    }
    Program program;
    if (!Program::open({file.data, file.size}, program).ok() || program.methods() == 0) return 0;
    static const npu::Emulator emulator{&npu::u55_u65, &npu::u85, 1 << 20};
    static const npu::Npu npu = npu::emulated_npu(emulator);
    static const Buffer method_memory(256 << 10), temp(512 << 10), fast(64 << 10), input(pool_bytes);
    static const Buffer first(pool_bytes), second(pool_bytes), third(pool_bytes), fourth(pool_bytes);
    const MutableBytes planned[pools] = {first.span(), second.span(), third.span(), fourth.span()};
    Arena method_arena{method_memory.span()};
    Arena temp_arena{temp.span()};
    Resources resources;
    resources.method = &method_arena;
    resources.temp = &temp_arena;
    resources.planned = planned;
    resources.fast_scratch = fast.span();
    resources.kernels = kernel_table;
    resources.npu = &npu;
    resources.most_instructions = 2000;
    Method method;
    if (!method.load(program, 0, resources).ok()) return OPENED;
    for (std::size_t i = 0; i < method.inputs(); ++i) {
        const Value& value = method.input(i);
        if (value.type != ValueType::tensor) {  // a number, or nothing that can be set; the program has its own value
            const Dims scalar;
            if (method.set_input(i, scalar, {input.data, 8}).ok() && !method.is_read(value)) return LOADED;
            continue;
        }
        if (value.tensor->bytes() > input.size) return LOADED;
        const Dims sizes(*value.tensor);
        if (!method.set_input(i, sizes, {input.data, value.tensor->bytes()}).ok()) return LOADED;
    }
    for (int round = 0; round < 2; ++round)
        if (!method.run({}).ok()) return LOADED;
    std::size_t sum = 0;  // reads every output
    for (std::size_t i = 0; i < method.outputs(); ++i) {
        const Value& value = method.output(i);
        if (value.type != ValueType::tensor || !value.tensor->data) continue;
        for (std::size_t k = 0; k < value.tensor->bytes(); ++k) sum += value.tensor->data[k];
    }
    return sum == SIZE_MAX ? 0 : RAN;
}

std::vector<std::uint8_t> read(const char* path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

struct Mutator {
    std::mt19937_64 random;

    std::size_t below(std::size_t bound) { return bound ? static_cast<std::size_t>(random() % bound) : 0; }

    // The byte to damage: anywhere, but for one quarter in the first 4 KiB, where the flatbuffer begins.
    std::size_t place(const std::vector<std::uint8_t>& bytes) {
        const std::size_t front = bytes.size() < 4096 || below(4) ? bytes.size() : 4096;
        return below(front);
    }

    void damage(std::vector<std::uint8_t>& bytes) {
        static const std::uint32_t numbers[] = {0,       1,          2,          4,          7,          8,
                                                16,      255,        256,        0x7FFF,     0x8000,     0xFFFF,
                                                0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFF0, 0x40000000};
        if (bytes.size() < 8) return;
        const std::size_t at = place(bytes);
        switch (below(6)) {
            case 0:
                bytes[at] ^= static_cast<std::uint8_t>(1u << below(8));
                break;
            case 1:
                bytes[at] = static_cast<std::uint8_t>(random());
                break;
            case 2: {
                const std::uint32_t number = numbers[below(sizeof numbers / sizeof *numbers)];
                const std::size_t word = (at < bytes.size() - 4 ? at : bytes.size() - 4) / 4 * 4;
                std::memcpy(&bytes[word], &number, 4);
                break;
            }
            case 3: {  // another word of the file, or the same word changed a little
                const std::size_t to = below(bytes.size() / 4) * 4;
                const std::size_t from = below(bytes.size() / 4) * 4;
                std::uint32_t word = 0;
                std::memcpy(&word, &bytes[below(2) ? from : to], 4);
                word += static_cast<std::uint32_t>(below(9)) - 4;
                std::memcpy(&bytes[to], &word, 4);
                break;
            }
            case 4: {
                const std::size_t count = below(32);
                const std::size_t from = below(bytes.size());
                for (std::size_t i = 0; i < count && at + i < bytes.size() && from + i < bytes.size(); ++i)
                    bytes[at + i] = bytes[from + i];
                break;
            }
            default:
                if (below(20) == 0) bytes.resize(at);
        }
    }
};

int truncate(const std::vector<std::vector<std::uint8_t>>& files) {
    std::size_t cuts = 0;
    for (const auto& whole : files) {
        if (attempt(whole) < LOADED) {
            std::fprintf(stderr, "a whole file is refused\n");
            return 1;
        }
        std::vector<std::uint8_t> cut = whole;
        while (!cut.empty()) {
            cut.pop_back();
            ++cuts;
            if (attempt(cut) >= LOADED) {
                std::fprintf(stderr, "accepted with %zu of %zu bytes\n", cut.size(), whole.size());
                return 1;
            }
        }
    }
    std::printf("%zu cuts refused\n", cuts);
    return 0;
}

int mutate(double seconds, std::uint64_t seed, const std::vector<std::vector<std::uint8_t>>& files) {
    Mutator mutator{std::mt19937_64(seed)};
    std::size_t reached[RAN + 1] = {};
    std::size_t runs = 0;
    const auto begin = std::chrono::steady_clock::now();
    while (std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() < seconds) {
        std::vector<std::uint8_t> bytes = files[mutator.below(files.size())];
        for (std::size_t times = 1 + mutator.below(4); times; --times) mutator.damage(bytes);
        if (const char* keep = std::getenv("FUZZ_KEEP"))  // saves the last file tried, for a debugger
            std::ofstream(keep, std::ios::binary)
                .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
        ++reached[attempt(bytes)];
        ++runs;
    }
    std::printf("%zu runs: %zu refused, %zu opened, %zu loaded, %zu ran\n", runs, reached[0], reached[OPENED],
                reached[LOADED], reached[RAN]);
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    const std::string mode = argc > 1 ? argv[1] : "";
    const int first = mode == "truncate" ? 2 : mode == "mutate" ? 4 : argc;
    std::vector<std::vector<std::uint8_t>> files;
    for (int i = first; i < argc; ++i) files.push_back(read(argv[i]));
    if (files.empty()) {
        std::fprintf(stderr, "usage: fuzz_pte truncate FILE... | mutate SECONDS SEED FILE...\n");
        return 2;
    }
    return mode == "truncate" ? truncate(files)
                              : mutate(std::atof(argv[2]), std::strtoull(argv[3], nullptr, 10), files);
}
