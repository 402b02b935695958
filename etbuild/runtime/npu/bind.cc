// Binds feature maps to memory. All addresses that an operation's shapes cover are checked here once, so that the loops
// run without checks.
#include "npu/machine.h"

namespace etb::npu {
namespace {

// A chain buffer is a dense NHWC map with one tile.
void describe_dense(FeatureMap& map, const Shape& shape) {
    map.brick = false;
    map.stride_x = std::int64_t{shape.depth} * map.element;
    map.stride_y = std::int64_t{shape.width} * map.stride_x;
    map.base[0] = 0;
    map.height0 = map.height1 = map.width0 = INT32_MAX;
}

Verdict bind_chained_input(const Machine& machine, FeatureMap& map) {
    const Chain& chain = machine.chains[map.region];
    if (chain.element == 0) return ETB_REFUSE(malformed, "reads a chain buffer that is empty");
    const bool inside = map.shape.height <= chain.shape.height && map.shape.width <= chain.shape.width &&
                        map.shape.depth <= chain.shape.depth;
    if (!inside || map.element != chain.element) return ETB_REFUSE(mismatch, "chain buffer has another shape");
    describe_dense(map, chain.shape);
    map.memory = chain.memory;
    return {};
}

}  // namespace

Verdict bind_input(const Machine& machine, FeatureMap& map) {
    if (map.storage == Storage::none) return {};
    if (map.storage == Storage::chain) return bind_chained_input(machine, map);
    std::int64_t first = 0, end = 0;
    if (!address_range(map, first, end)) return {};
    Bytes bytes;
    ETB_ACCEPT(read_region(machine, map.region, first, static_cast<std::uint64_t>(end - first), bytes));
    map.memory = const_cast<std::uint8_t*>(machine.regions.at[map.region].data);
    return {};
}

Verdict bind_output(const Machine& machine, FeatureMap& map) {
    if (map.storage == Storage::none) return {};
    if (map.storage == Storage::chain) {
        describe_dense(map, map.shape);
        const std::uint64_t bytes =
            static_cast<std::uint64_t>(map.stride_y) * static_cast<std::uint64_t>(map.shape.height);
        const bool planned = bytes <= machine.chain_bytes && (machine.chains_used >> map.region & 1);
        // A branch may lead here with other registers than those that the memory was planned for.
        if (!machine.planning && !planned) return ETB_REFUSE(mismatch, "chained output was planned with another size");
        map.memory = machine.spare_chain;
        return {};
    }
    std::int64_t first = 0, end = 0;
    if (!address_range(map, first, end)) return {};
    MutableBytes bytes;
    ETB_ACCEPT(write_region(machine, map.region, first, static_cast<std::uint64_t>(end - first), bytes));
    map.memory = const_cast<std::uint8_t*>(machine.regions.at[map.region].data);
    return {};
}

}  // namespace etb::npu
