// DMA_START: count1 * count0 copies of `length` bytes. On Ethos-U85 the source or the target position of a copy may be
// read from a table of int32 indices (gather, scatter). A copy to internal memory loads lookup tables.
// source: the NPU's register descriptions. 1D and indexed transfers are tested by tests/npu/grid.py.
#include <cstring>
#include <initializer_list>

#include "base/little_endian.h"
#include "npu/machine.h"

namespace etb::npu {
namespace {

Verdict target_bytes(const Machine& machine, const Transfer& how, std::int64_t address, MutableBytes& out) {
    if (!how.target_internal) return write_region(machine, how.target_region, address, how.length, out);
    const std::int64_t offset = address - static_cast<std::int64_t>(machine.config.tables_address);
    if (offset < 0 || how.length > machine.config.tables_size ||
        static_cast<std::uint64_t>(offset) > machine.config.tables_size - how.length)
        return ETB_REFUSE(unsupported, "DMA to internal memory outside the tables");
    if (!machine.planning) out = {machine.tables.data + offset, static_cast<std::size_t>(how.length)};
    return {};
}

Verdict copy(const Machine& machine, const Transfer& how, std::int64_t from, std::int64_t to) {
    Bytes source;
    MutableBytes target;
    ETB_ACCEPT(read_region(machine, how.source_region, from, how.length, source));
    ETB_ACCEPT(target_bytes(machine, how, to, target));
    if (!machine.planning && how.length > 0) std::memmove(target.data, source.data, source.size);
    return {};
}

std::int64_t index_address(const Transfer& how, std::int32_t inner, std::int32_t outer) {
    const std::int64_t place = std::int64_t{outer} * how.count0 + inner;
    return how.index + 4 * place + wrapping_product(outer, how.index_skip);
}

}  // namespace

Verdict transfer_place(const Machine& machine, const Transfer& how, std::int32_t inner, std::int32_t outer,
                       TransferPlace& out) {
    std::int64_t from = inner, to = inner;
    if (how.source_indexed || how.target_indexed) {
        Bytes bytes;
        out.index = index_address(how, inner, outer);
        ETB_ACCEPT(read_region(machine, how.index_region, out.index, 4, bytes));
        const std::int64_t index = machine.planning ? 0 : load<std::int32_t>(bytes.data);
        if (index < 0 || index > std::int64_t{how.index_max})
            return ETB_REFUSE(out_of_bounds, "DMA index out of range");
        (how.source_indexed ? from : to) = index;
    }
    out.source = wrapping_sum(
        how.source, wrapping_sum(wrapping_product(from, how.source_step0), wrapping_product(outer, how.source_step1)));
    out.target = wrapping_sum(
        how.target, wrapping_sum(wrapping_product(to, how.target_step0), wrapping_product(outer, how.target_step1)));
    return {};
}

namespace {

Verdict transfer_one(const Machine& machine, const Transfer& how, std::int32_t inner, std::int32_t outer) {
    TransferPlace place;
    ETB_ACCEPT(transfer_place(machine, how, inner, outer, place));
    return copy(machine, how, place.source, place.target);
}

// Addresses are linear in both counts, so checking the corners covers all copies.
Verdict plan(const Machine& machine, const Transfer& how) {
    for (const std::int32_t outer : {std::int32_t{0}, how.count1 - 1})
        for (const std::int32_t inner : {std::int32_t{0}, how.count0 - 1})
            ETB_ACCEPT(transfer_one(machine, how, inner, outer));
    return {};
}

}  // namespace

Verdict transfer(Machine& machine, Operation& operation) {
    const Transfer& how = operation.transfer;
    if (how.count0 == 0 || how.count1 == 0) return {};
    if (machine.planning) return plan(machine, how);
    for (std::int32_t outer = 0; outer < how.count1; ++outer)
        for (std::int32_t inner = 0; inner < how.count0; ++inner) ETB_ACCEPT(transfer_one(machine, how, inner, outer));
    return {};
}

}  // namespace etb::npu
