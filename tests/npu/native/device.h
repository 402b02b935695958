// A model of an Ethos-U's registers, backed by the emulator, with faults on demand.
#pragma once

#include <cstring>
#include <vector>

#include "npu/emulator.h"
#include "npu/ethosu/driver.h"
#include "npu/ethosu/registers.h"

namespace device {

using namespace etb;
using namespace etb::npu::ethosu;

// Memory that the NPU's bus sees at `address`.
struct Block {
    std::uint64_t address;
    std::uint8_t* memory;
    std::size_t size;
};

struct Device {
    std::uint32_t config = 0, identity = 0x10000000;
    std::vector<Block> blocks;
    // Faults:
    std::uint32_t fault = 0;      // STATUS bits that the next job ends with
    bool never_ends = false;      // the job runs on
    bool never_resets = false;    // RESET does not finish
    bool keeps_security = false;  // RESET does not change PROT
    int waits_before_end = 2;
    int waits_allowed = 10;
    // What happened:
    std::uint32_t registers[0x400 / 4] = {};
    int resets = 0, jobs = 0, waits = 0, stops = 0;
    std::vector<Bytes> cleaned, invalidated;
    Port port;

    Device() {
        port.context = this;
        port.read = [](void* self, std::uint32_t offset) { return static_cast<Device*>(self)->read(offset); };
        port.write = [](void* self, std::uint32_t offset, std::uint32_t value) {
            static_cast<Device*>(self)->write(offset, value);
        };
        port.bus_address = [](void* self, const void* memory) { return static_cast<Device*>(self)->address(memory); };
        port.wait = [](void* self) { return static_cast<Device*>(self)->wait(); };
        port.clean = [](void* self, Bytes memory) { static_cast<Device*>(self)->cleaned.push_back(memory); };
        port.invalidate = [](void* self, Bytes memory) { static_cast<Device*>(self)->invalidated.push_back(memory); };
    }

    std::uint32_t& at(std::uint32_t offset) { return registers[offset / 4]; }
    std::uint64_t pair(std::uint32_t offset) { return at(offset) | static_cast<std::uint64_t>(at(offset + 4)) << 32; }

    std::uint64_t address(const void* memory) {
        for (const Block& block : blocks) {
            const auto* const byte = static_cast<const std::uint8_t*>(memory);
            if (byte >= block.memory && byte < block.memory + block.size)
                return block.address + static_cast<std::uint64_t>(byte - block.memory);
        }
        return 0xDEAD0000;
    }

    bool find(std::uint64_t address, npu::Region& out) {
        for (const Block& block : blocks)
            if (address >= block.address && address < block.address + block.size) {
                const std::uint64_t offset = address - block.address;
                out = {block.memory + offset, static_cast<std::size_t>(block.size - offset), true};
                return true;
            }
        return false;
    }

    std::uint32_t read(std::uint32_t offset) {
        if (offset == reg_id) return identity;
        if (offset == reg_config) return config;
        return at(offset);
    }

    void write(std::uint32_t offset, std::uint32_t value) {
        if (offset == reg_reset) return reset(value);
        if (offset == reg_cmd) return command(value);
        at(offset) = value;
    }

    void reset(std::uint32_t value) {
        ++resets;
        std::memset(registers, 0, sizeof registers);
        if (never_resets) at(reg_status) = status_resetting;
        if (!keeps_security) at(reg_prot) = value;
    }

    void command(std::uint32_t value) {
        at(reg_cmd) = value;
        if (value & cmd_stop) ++stops;
        if (value & cmd_clear_irq) at(reg_status) &= ~status_irq;
        if (!(value & cmd_run)) return;
        ++jobs;
        at(reg_status) = status_running;
        waits = 0;
        if (waits_before_end == 0) finish();
    }

    bool wait() {
        if (++waits >= waits_before_end && !never_ends) finish();
        return waits < waits_allowed;
    }

    // The job ends: the stream is run by the emulator, and STATUS tells how it went.
    void finish() {
        std::uint32_t status = fault ? fault : execute();
        at(reg_status) = status | status_irq;
        at(reg_qread) = status & status_end_reached ? at(reg_qsize) : 16;
        fault = 0;
        const bool counts = (at(reg_pmcr) & pmcr_enable) && (at(reg_pmcntenset) & pmcnten_cycles);
        at(reg_pmccntr) = counts ? 0xFFFFFFF0 : 0;
        at(reg_pmccntr + 4) = counts ? 1 : 0;
        for (std::uint32_t i = 0; i < event_counters; ++i)
            at(reg_pmevcntr + 4 * i) = at(reg_pmcntenset) >> i & 1 ? 100 * at(reg_pmevtyper + 4 * i) : 0;
    }

    std::uint32_t execute() {
        npu::Region stream;
        if (!find(pair(reg_qbase), stream) || stream.size < at(reg_qsize)) return status_bus_error;
        const std::uint32_t size = at(reg_qsize);
        const std::uint32_t head[] = {0x31504F43, 1, config, identity,
                                      2 | (size / 4 >> 16) << 8 | (size / 4 & 0xFFFF) << 16};
        std::vector<std::uint8_t> payload(sizeof head + size);
        std::memcpy(payload.data(), head, sizeof head);
        std::memcpy(payload.data() + sizeof head, stream.data, size);
        npu::Job job;
        job.payload = {payload.data(), payload.size()};
        for (std::uint32_t i = 0; i < 8; ++i) find(pair(reg_basep + 8 * i), job.regions.at[i]);
        const npu::Emulator emulator{&npu::u55_u65, &npu::u85};
        const npu::Npu machine = npu::emulated_npu(emulator);
        std::uint64_t bytes = 0;
        if (!machine.scratch_size(machine.context, job.payload, bytes).ok()) return status_parse_error;
        std::vector<std::uint8_t> memory(bytes);
        Arena scratch;
        scratch.memory = {memory.data(), memory.size()};
        const Status done = machine.run(machine.context, job, scratch);
        if (done.code == Code::out_of_bounds) return status_bus_error;
        return done.ok() ? status_end_reached : status_parse_error;
    }
};

}  // namespace device
