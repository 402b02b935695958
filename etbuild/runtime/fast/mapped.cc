// Operations on 8-bit values whose result depends on one value alone: the family computes it for all 256 values, each
// element is then looked up. Streams often repeat such an operation, so the last table of a thread is kept.
#include <cstring>
#include <vector>

#include "fast/operations.h"
#include "fast/output.h"

namespace etb::fast {
namespace {

using npu::FeatureMap;
using npu::Machine;
using npu::Operation;

using Execute = npu::Verdict (*)(Machine&, Operation&);

bool is_mapped(const Machine& machine, const Operation& operation) {
    const npu::Table table = operation.activation.table;
    if (operation.ifm.element != 1 || !plain_order(machine, operation) || operation.ifm.storage == npu::Storage::none ||
        (table != npu::Table::none && table != npu::Table::to_8))
        return false;
    if (operation.code == npu::Op::elementwise)
        return !operation.uses_ifm2 || operation.ifm2.storage == npu::Storage::none;
    const auto mode = static_cast<npu::PoolMode>(operation.mode & 7);
    return operation.code == npu::Op::pool && operation.window.is_one_element() && !operation.uses_scales &&
           (mode == npu::PoolMode::max_ || mode == npu::PoolMode::average_);
}

// All that the table depends on, besides the lookup table of the NPU.
struct Identity {
    std::int64_t numbers[32];

    Identity(const Operation& operation, Execute execute) : numbers{} {
        const npu::Activation& activation = operation.activation;
        std::size_t count = 0;
        const auto add = [&](std::int64_t number) { numbers[count++] = number; };
        add(static_cast<std::int64_t>(reinterpret_cast<std::intptr_t>(execute)));
        add(static_cast<std::int64_t>(operation.code));
        add(operation.mode);
        add(operation.registers->get(npu::reg55::ifm_precision_scale_mode));
        for (const npu::Scale& scale : {operation.scale, operation.scale_a, operation.scale_b}) {
            add(scale.multiplier);
            add(scale.shift);
            add(static_cast<std::int64_t>(scale.rounding));
            add(scale.pre_shift);
        }
        for (const FeatureMap& map : {operation.ifm, operation.ifm2, operation.ofm}) {
            add(map.zero_point);
            add(map.is_signed);
        }
        add(operation.uses_ifm2 ? operation.ifm2.scalar : 0);
        add(operation.uses_ifm2 + 2 * operation.swap_operands + 4 * operation.hardware_average);
        add(activation.clamp + 2 * static_cast<int>(activation.table));
        add(activation.min);
        add(activation.max);
        add(activation.bias);
    }
};

FeatureMap dense(FeatureMap map, std::uint8_t* memory) {
    map.memory = memory;
    for (std::int64_t& base : map.base) base = 0;
    map.stride_y = map.stride_x = 256;
    map.height0 = map.height1 = map.width0 = INT32_MAX;
    map.shape = {1, 1, 256};
    map.brick = map.repeat_height = map.repeat_width = map.repeat_depth = false;
    map.storage = npu::Storage::memory;
    return map;
}

// The results for the values 0 to 255.
bool compute(const Machine& machine, const Operation& operation, Execute execute, std::uint8_t* results) {
    std::uint8_t values[256];
    for (std::size_t i = 0; i < 256; ++i) values[i] = static_cast<std::uint8_t>(i);
    alignas(16) std::uint8_t memory[16384];
    Arena arena{{memory, sizeof memory}};
    Machine own = machine;
    own.arena = &arena;
    own.observer = nullptr;
    Operation one = operation;
    one.out = {1, 1, 256};
    one.window.extent_height = one.window.extent_width = 1;
    one.ifm = dense(operation.ifm, values);
    one.ofm = dense(operation.ofm, results);
    return execute(own, one).ok();
}

struct Last {
    Identity identity;
    std::uint8_t lookup[256] = {};  // the lookup table of the NPU
    std::uint8_t results[256] = {};
    bool known = false;
};

// The table of an operation; null if it cannot be computed. It is valid until the next call of this thread.
const std::uint8_t* table_of(const Machine& machine, const Operation& operation, Execute execute) {
    const Identity identity(operation, execute);
    thread_local Last last{identity};
    const std::uint8_t* const lookup = operation.activation.table == npu::Table::none
                                           ? nullptr
                                           : machine.tables.data + operation.activation.table_offset;
    const bool same = last.known && std::memcmp(&last.identity, &identity, sizeof identity) == 0 &&
                      (!lookup || std::memcmp(last.lookup, lookup, 256) == 0);
    if (same) return last.results;
    last.known = compute(machine, operation, execute, last.results);
    last.identity = identity;
    if (lookup) std::memcpy(last.lookup, lookup, 256);
    return last.known ? last.results : nullptr;
}

// `pixels` pixels of `count` channels.
struct Run {
    const std::uint8_t* from;
    std::uint8_t* to;
    std::ptrdiff_t from_step, to_step;
    std::int32_t pixels, count;
};

void look_up(const std::uint8_t* table, Run run) {
    for (std::int32_t p = 0; p < run.pixels; ++p, run.from += run.from_step, run.to += run.to_step)
        for (std::int32_t c = 0; c < run.count; ++c) run.to[c] = table[run.from[c]];
}

void map_row(const Operation& operation, const std::uint8_t* table, std::int32_t y) {
    const FeatureMap &ifm = operation.ifm, &ofm = operation.ofm;
    for (std::int32_t x = 0; x < operation.out.width;) {
        const std::int32_t pixels = straight(ofm, x, straight(ifm, x, operation.out.width - x));
        const std::uint8_t* const from = ifm.memory + ifm.pixel(y, x);
        std::uint8_t* const to = ofm.memory + ofm.pixel(y, x);
        for (std::int32_t c = 0; c < operation.out.depth;) {
            const std::int32_t count = ofm.run(c, ifm.run(c, operation.out.depth - c));
            look_up(table,
                    {from + ifm.channel(c), to + ofm.channel(c), pixel_step(ifm), pixel_step(ofm), pixels, count});
            c += count;
        }
        x += pixels;
    }
}

}  // namespace

bool mapped(Machine& machine, Operation& operation, Execute execute) {
    const FeatureMap &ifm = operation.ifm, &ofm = operation.ofm;
    if (!is_mapped(machine, operation) || repeats(ifm) || !distinct(ofm) || !(same_places(ifm, ofm) || apart(ifm, ofm)))
        return false;
    const std::uint8_t* const table = table_of(machine, operation, execute);
    if (!table) return false;
    for (std::int32_t y = 0; y < operation.out.height; ++y) map_row(operation, table, y);
    return true;
}

}  // namespace etb::fast
