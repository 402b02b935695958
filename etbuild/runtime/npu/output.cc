// The output stage. Values are 64-bit for all operations.
#include "npu/output.h"

#include "base/little_endian.h"

namespace etb::npu {
namespace {

// Adds the accumulator input (IFM2 or the kept accumulators) to the sums, and stores them for a later operation.
void accumulate(Machine& machine, const Operation& operation, const OutputRun& run, std::int64_t* values) {
    if (operation.accumulator_input == AccumulatorInput::ifm2) {
        for (std::int32_t i = 0; i < run.count; ++i) {
            std::int64_t start = 0;
            load_channels(operation.ifm2, run.y, run.x, run.first + i, 1, &start);
            values[i] = wrapping_sum(values[i], start);
        }
    }
    const Shape& shape = operation.out;
    const std::size_t pixel =
        static_cast<std::size_t>(run.y) * static_cast<std::size_t>(shape.width) + static_cast<std::size_t>(run.x);
    const std::size_t first = pixel * static_cast<std::size_t>(shape.depth) + static_cast<std::size_t>(run.first);
    const auto count = static_cast<std::size_t>(run.count);
    if (!machine.accumulators.values.holds(first, count)) return;
    std::int64_t* const kept = machine.accumulators.values.data + first;
    for (std::size_t i = 0; i < count; ++i) {
        if (operation.accumulator_input == AccumulatorInput::keep) values[i] = wrapping_sum(values[i], kept[i]);
        kept[i] = values[i];
    }
}

void scale_channels(const ChannelScale* scales, std::int32_t count, std::int64_t* values) {
    for (std::int32_t i = 0; i < count; ++i)
        values[i] = rescale(wrapping_sum(values[i], scales[i].bias), scales[i].scale);
}

std::int64_t interpolated(const std::uint8_t* table, std::uint32_t index) {
    const std::uint8_t* const entry = table + (index >> 7 & 511) * 4;
    const std::int32_t base = load<std::int16_t>(entry), slope = load<std::int16_t>(entry + 2);
    return std::int64_t{base} * 128 + slope * static_cast<std::int32_t>(index & 127);
}

std::int64_t look_up(const Activation& activation, const std::uint8_t* table, std::int64_t value) {
    const auto index = static_cast<std::uint32_t>(static_cast<std::uint64_t>(wrapping_sum(value, activation.bias)));
    switch (activation.table) {
        case Table::to_8:
            return table[index & 255];
        case Table::to_16:
            return load<std::int16_t>(table + (index & 255) * 2);
        case Table::to_32:
            return load<std::int32_t>(table + (index & 255) * 4);
        case Table::interpolated_16:
            return (interpolated(table, index) + 64) >> 7;
        case Table::interpolated_32:
            return interpolated(table, index);
        case Table::none:
            break;
    }
    return value;
}

struct Place {
    std::int32_t y, x, c;
};

// The position of an element in the OFM after reverse and transpose.
Place placed(const Operation& operation, Place at) {
    if (operation.reverse == Reverse::height) at.y = operation.out.height - 1 - at.y;
    if (operation.reverse == Reverse::width) at.x = operation.out.width - 1 - at.x;
    if (operation.reverse == Reverse::depth) at.c = operation.out.depth - 1 - at.c;
    switch (operation.transpose) {
        case Transpose::hwc:
            break;
        case Transpose::whc:
            return {at.x, at.y, at.c};
        case Transpose::hcw:
            return {at.y, at.c, at.x};
        case Transpose::wch:
            return {at.x, at.c, at.y};
        case Transpose::chw:
            return {at.c, at.y, at.x};
        case Transpose::cwh:
            return {at.c, at.x, at.y};
    }
    return at;
}

void store_run(const Operation& operation, const OutputRun& run, const std::int64_t* values) {
    const bool plain = operation.transpose == Transpose::hwc && operation.reverse == Reverse::none;
    if (plain || operation.ofm.storage == Storage::chain)
        return store_channels(operation.ofm, run.y, run.x, run.first, run.count, values);
    for (std::int32_t i = 0; i < run.count; ++i) {
        const Place at = placed(operation, {run.y, run.x, run.first + i});
        store_channels(operation.ofm, at.y, at.x, at.c, 1, values + i);
    }
}

}  // namespace

void finish_scaled(const Machine& machine, const Operation& operation, const OutputRun& run, std::int64_t* values) {
    if (operation.ofm.storage == Storage::none) return;
    const Activation& activation = operation.activation;
    const std::int64_t zero_point = operation.ofm.zero_point, min = activation.min, max = activation.max;
    if (activation.clamp) {
        // Clamped before the zero point is added, so that the addition cannot overflow.
        for (std::int32_t i = 0; i < run.count; ++i) {
            const std::int64_t value = values[i];
            values[i] = value < min - zero_point ? min : value > max - zero_point ? max : value + zero_point;
        }
    } else {
        for (std::int32_t i = 0; i < run.count; ++i) values[i] = wrapping_sum(values[i], zero_point);
    }
    if (activation.table != Table::none) {
        const std::uint8_t* const table = machine.tables.data + activation.table_offset;
        for (std::int32_t i = 0; i < run.count; ++i) values[i] = look_up(activation, table, values[i]);
    }
    store_run(operation, run, values);
}

void finish_sums(Machine& machine, const Operation& operation, const OutputRun& run, std::int64_t* values,
                 const ChannelScale* scales) {
    if (operation.accumulator_input != AccumulatorInput::reset || !machine.accumulators.values.empty())
        accumulate(machine, operation, run, values);
    if (operation.output_disabled) return;
    if (scales)
        scale_channels(scales, run.count, values);
    else
        for (std::int32_t i = 0; i < run.count; ++i) values[i] = rescale(values[i], operation.scale);
    finish_scaled(machine, operation, run, values);
}

Verdict plan_accumulators(Machine& machine, const Operation& operation) {
    const Shape &out = operation.out, &kept = machine.accumulators.shape;
    const bool same = out.height == kept.height && out.width == kept.width && out.depth == kept.depth;
    const bool keeps = operation.accumulator_input == AccumulatorInput::keep;
    if (keeps && !same) return ETB_REFUSE(mismatch, "continues accumulators of another shape");
    machine.accumulators.shape = out;
    if (!machine.planning || (!keeps && !operation.output_disabled)) return {};
    const std::uint64_t count = static_cast<std::uint64_t>(out.height) * static_cast<std::uint64_t>(out.width) *
                                static_cast<std::uint64_t>(out.depth);
    if (count > machine.accumulator_count) machine.accumulator_count = count;
    return {};
}

}  // namespace etb::npu
