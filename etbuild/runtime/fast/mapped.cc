// Operations on 8-bit values whose result depends on one value alone, or on two: each element is looked up in a table.
#include <initializer_list>

#include "fast/operations.h"
#include "fast/output.h"
#include "fast/tables.h"

namespace etb::fast {
namespace {

using npu::FeatureMap;
using npu::Machine;
using npu::Operation;

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

// A part of an operand of two: `pixels` pixels of `count` channels.
struct Operand {
    const std::uint8_t* from;
    std::ptrdiff_t pixel, channel;  // bytes between them; 0 where it is broadcast
};

Operand operand_at(const FeatureMap& map, std::int32_t y, std::int32_t x, std::int32_t c) {
    const std::int32_t row = map.repeat_height ? 0 : y, column = map.repeat_width ? 0 : x;
    return {map.memory + map.pixel(row, column) + (map.repeat_depth ? 0 : map.channel(c)),
            map.repeat_width ? 0 : pixel_step(map), map.repeat_depth ? 0 : 1};
}

void map_pairs(const Operation& operation, const PairTable& table, std::int32_t y) {
    const FeatureMap &ifm = operation.ifm, &ifm2 = operation.ifm2, &ofm = operation.ofm;
    for (std::int32_t x = 0, pixels = 0; x < operation.out.width; x += pixels) {
        pixels = straight(ofm, x, operation.out.width - x);
        for (const FeatureMap* map : {&ifm, &ifm2})
            if (!map->repeat_width) pixels = straight(*map, x, pixels);
        for (std::int32_t c = 0, count = 0; c < operation.out.depth; c += count) {
            count = ofm.run(c, operation.out.depth - c);
            for (const FeatureMap* map : {&ifm, &ifm2})
                if (!map->repeat_depth) count = map->run(c, count);
            Operand a = operand_at(ifm, y, x, c), b = operand_at(ifm2, y, x, c);
            std::uint8_t* to = ofm.memory + ofm.pixel(y, x) + ofm.channel(c);
            for (std::int32_t p = 0; p < pixels; ++p, a.from += a.pixel, b.from += b.pixel, to += pixel_step(ofm))
                for (std::int32_t i = 0; i < count; ++i)
                    to[i] = table.results[a.from[i * a.channel]][b.from[i * b.channel]];
        }
    }
}

// Whether the OFM only ever replaces the elements that it is computed from.
bool replaces(const FeatureMap& ifm, const FeatureMap& ofm) {
    return apart(ifm, ofm) || (!repeats(ifm) && same_places(ifm, ofm));
}

bool is_pair(const Machine& machine, const Operation& operation) {
    const npu::Table table = operation.activation.table;
    const FeatureMap &ifm = operation.ifm, &ifm2 = operation.ifm2;
    return operation.code == npu::Op::elementwise && operation.uses_ifm2 && plain_order(machine, operation) &&
           ifm.element == 1 && ifm2.element == 1 && ifm.storage != npu::Storage::none &&
           ifm2.storage != npu::Storage::none && (table == npu::Table::none || table == npu::Table::to_8);
}

}  // namespace

bool mapped(Machine& machine, Operation& operation, Execute execute) {
    const FeatureMap& ofm = operation.ofm;
    if (is_pair(machine, operation)) {
        if (!distinct(ofm) || !replaces(operation.ifm, ofm) || !replaces(operation.ifm2, ofm)) return false;
        const auto table = table_of_two(machine, operation, execute);
        for (std::int32_t y = 0; table && y < operation.out.height; ++y) map_pairs(operation, *table, y);
        return table != nullptr;
    }
    if (!is_mapped(machine, operation) || repeats(operation.ifm) || !distinct(ofm) || !replaces(operation.ifm, ofm))
        return false;
    const std::uint8_t* const table = table_of_one(machine, operation, execute);
    for (std::int32_t y = 0; table && y < operation.out.height; ++y) map_row(operation, table, y);
    return table != nullptr;
}

}  // namespace etb::fast
