// The register driver (npu/ethosu.h) on a model of the NPU's registers that runs jobs on the emulator:
//   device <scenario> <payload> <weights> <scratch in> <scratch out> [<number>...]
// The numbers are those of npu::Settings: protection, commands, regions, the six of axi. It prints
// "code|text|number|cycles|calls|writes", where `calls` are the cache maintenance calls and the start of the job, and
// `writes` every write to a register, offset=value; and it writes the scratch.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "npu/emulator.h"
#include "npu/ethosu.h"

namespace {

using namespace etb;

struct Model {
    std::string scenario;
    std::string calls;
    std::string writes;
    bool is_u85 = false;
    std::uint32_t offset_of_weights = 0;
    Bytes payload;
    npu::Regions regions;
    std::uint32_t registers[0x2000 / 4] = {};
    int waits = 0;

    std::uint32_t& at(std::uint32_t offset) { return registers[offset / 4]; }

    void put(std::uint32_t offset, std::uint32_t value) {
        char text[32];
        std::snprintf(text, sizeof text, "%s%x=%x", writes.empty() ? "" : " ", offset, value);
        writes += text;
        if (offset == 0x0C) {  // reset
            at(0x04) = scenario == "stuck in reset" ? 8 : 0;
            at(0x24) = scenario == "not secure" ? 2 : value & 3;
            return;
        }
        at(offset) = value;
        if (offset == 0x08 && (value & 1)) start();
        if (offset == 0x08 && (value & 2)) at(0x04) &= ~2u;
    }
    void start() {
        calls += " start";
        if (scenario == "bus error") {
            at(0x04) = 1 | 4;
        } else if (scenario == "stopped early") {
            at(0x04) = 2;
        } else if (scenario == "branch fault") {
            at(0x04) = 1 | 1 << 9;
        } else if (scenario == "bit 7") {
            at(0x04) = 1 | 1 << 7;
        } else {
            at(0x04) = 1;  // running, until the driver has waited for it
        }
    }
    void run() {
        if (!(at(0x04) & 1) || scenario == "never ends" || (at(0x04) & 0x204)) return;
        const npu::Emulator emulator{&npu::u55_u65, &npu::u85};
        const npu::Npu emulated = npu::emulated_npu(emulator);
        for (int i = 0; i < 8; ++i)
            if (at(0x80 + 8 * static_cast<std::uint32_t>(i)) !=
                static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(regions.at[i].data)) +
                    (i == 0 ? offset_of_weights : 0))
                std::abort();
        std::uint64_t bytes = 0;
        if (!emulated.scratch_size(emulated.context, payload, bytes).ok()) std::abort();
        std::vector<std::uint8_t> memory(bytes + 64);
        Arena arena{{memory.data(), memory.size()}};
        if (!emulated.run(emulated.context, npu::Job{payload, regions, nullptr}, arena).ok()) std::abort();
        at(0x04) = 2 | 32;  // interrupt raised, end reached
        at(is_u85 ? 0x11A0 : 0x1A0) = 4711;
    }
};

std::vector<std::uint8_t> read_file(const char* name) {
    std::vector<std::uint8_t> data;
    std::FILE* file = std::fopen(name, "rb");
    if (!file) std::abort();
    for (int c; (c = std::fgetc(file)) != EOF;) data.push_back(static_cast<std::uint8_t>(c));
    std::fclose(file);
    return data;
}

struct Aligned {
    void* data;
    std::size_t size;

    explicit Aligned(const std::vector<std::uint8_t>& from)
        : data(std::aligned_alloc(16, (from.size() + 31) / 16 * 16)), size(from.size()) {
        if (size) std::memcpy(data, from.data(), size);
    }
    ~Aligned() { std::free(data); }
    Aligned(const Aligned&) = delete;
    [[nodiscard]] MutableBytes span() const { return {static_cast<std::uint8_t*>(data), size}; }
};

npu::Device device_of(Model& model) {
    npu::Device device;
    device.context = &model;
    device.read = [](void* context, std::uint32_t offset) { return static_cast<Model*>(context)->at(offset); };
    device.write = [](void* context, std::uint32_t offset, std::uint32_t value) {
        static_cast<Model*>(context)->put(offset, value);
    };
    device.clean = [](void* context, Bytes range) {
        if (range.size) static_cast<Model*>(context)->calls += " clean";
    };
    device.flush = [](void* context, Bytes range) {
        if (range.size) static_cast<Model*>(context)->calls += " flush";
    };
    device.discard = [](void* context, Bytes range) {
        if (range.size) static_cast<Model*>(context)->calls += " discard";
    };
    device.flush_all = [](void* context) { static_cast<Model*>(context)->calls += " flush_all"; };
    device.begin = [](void* context) { static_cast<Model*>(context)->waits = 0; };
    device.wait = [](void* context) {
        auto& model = *static_cast<Model*>(context);
        if (++model.waits == 3) model.run();
        return model.waits < 10;
    };
    return device;
}

}  // namespace

int main(int count, char** arguments) {
    Model model;
    model.scenario = arguments[1];
    const Aligned payload(read_file(arguments[2])), weights(read_file(arguments[3])), scratch(read_file(arguments[4]));
    model.payload = payload.span();
    model.regions.at[0] = npu::Region::read_only(weights.span());
    model.regions.at[1] = npu::Region::read_write(scratch.span());
    std::uint32_t compiled = 0;
    std::memcpy(&compiled, payload.span().data + 8, sizeof compiled);
    model.is_u85 = compiled >> 28 == 2;
    model.at(0x00) = model.scenario == "no NPU"    ? 0
                     : model.scenario == "old NPU" ? 0x00104001
                     : compiled >> 28 == 2         ? 0x20007000
                                                   : 0x10104001;
    model.at(0x28) = model.scenario == "other NPU"        ? 0x00003008
                     : model.scenario == "other commands" ? compiled ^ 0x10
                                                          : compiled;
    npu::Device device = device_of(model);
    std::uint32_t* const settings[] = {&device.settings.protection, &device.settings.commands,
                                       &device.settings.regions};
    for (int i = 6; i < count; ++i)
        *(i < 9 ? settings[i - 6] : &device.settings.axi[i - 9]) =
            static_cast<std::uint32_t>(std::strtoul(arguments[i], nullptr, 0));
    const auto first = reinterpret_cast<std::uintptr_t>(weights.span().data);
    const npu::Window window{first, first + weights.size - 1, 0x100000, false};
    if (model.scenario == "weights elsewhere") {
        model.offset_of_weights = window.offset;
        device.settings.windows = &window;
        device.settings.window_count = 1;
    }
    if (model.scenario == "small cache") device.cache_bytes = 64;
    npu::Ethosu ethosu;
    Status status = ethosu.open(device);
    if (status.ok()) {
        const npu::Npu driver = npu::ethosu_npu(ethosu);
        std::uint64_t bytes = 0;
        status = driver.scratch_size(driver.context, model.payload, bytes);
        Arena none;
        if (status.ok()) status = driver.run(driver.context, npu::Job{model.payload, model.regions, nullptr}, none);
    }
    std::printf("%d|%s|%llx|%llu|%s|%s\n", static_cast<int>(status.code), status.text,
                static_cast<unsigned long long>(status.number), static_cast<unsigned long long>(ethosu.cycles),
                model.calls.c_str(), model.writes.c_str());
    std::FILE* file = std::fopen(arguments[5], "wb");
    if (!file) std::abort();
    std::fwrite(scratch.data, 1, scratch.size, file);
    std::fclose(file);
    return 0;
}
