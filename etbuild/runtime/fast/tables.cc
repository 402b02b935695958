// Tables of 8-bit operations, computed by executing the operation on all values.
#include "fast/tables.h"

#include <cstring>
#include <list>
#include <mutex>
#include <vector>

namespace etb::fast {
namespace {

using npu::FeatureMap;
using npu::Machine;
using npu::Operation;

constexpr std::size_t most_tables = 256;  // for two values, 64 KB each
constexpr std::uint64_t enough = 65536;   // elements that were computed without a table for two values

// A map of this many pixels with 256 channels.
FeatureMap dense(FeatureMap map, std::int32_t width, std::uint8_t* memory) {
    map.memory = memory;
    for (std::int64_t& base : map.base) base = 0;
    map.stride_x = 256;
    map.stride_y = 256 * std::int64_t{width};
    map.height0 = map.height1 = map.width0 = INT32_MAX;
    map.shape = {1, width, 256};
    map.brick = map.repeat_height = map.repeat_width = map.repeat_depth = false;
    map.storage = npu::Storage::memory;
    return map;
}

// Executes the operation on these operands; second may be null.
bool compute(const Machine& machine, const Operation& operation, Execute execute, std::int32_t width,
             std::uint8_t* first, std::uint8_t* second, std::uint8_t* results) {
    alignas(16) std::uint8_t memory[16384];
    Arena arena{{memory, sizeof memory}};
    Machine own = machine;
    own.arena = &arena;
    own.observer = nullptr;
    Operation one = operation;
    one.out = {1, width, 256};
    one.window.extent_height = 1;
    one.window.extent_width = width;
    one.ifm = dense(operation.ifm, width, first);
    if (second) one.ifm2 = dense(operation.ifm2, width, second);
    one.ofm = dense(operation.ofm, width, results);
    return execute(own, one).ok();
}

struct Last {
    TableIdentity identity;
    std::uint8_t results[256] = {};
    bool known = false;
};

struct Entry {
    TableIdentity identity;
    std::uint64_t elements = 0;
    std::shared_ptr<const PairTable> table;
};

// The most recently used first.
struct Store {
    std::mutex mutex;
    std::list<Entry> entries;

    // The entry's table, or whether it is time to make it.
    std::shared_ptr<const PairTable> find(const TableIdentity& identity, std::uint64_t elements, bool& due) {
        const std::lock_guard<std::mutex> lock(mutex);
        auto at = entries.begin();
        while (at != entries.end() && !(at->identity == identity)) ++at;
        if (at == entries.end())
            entries.push_front({identity, 0, nullptr});
        else
            entries.splice(entries.begin(), entries, at);
        if (entries.size() > most_tables) entries.pop_back();
        Entry& entry = entries.front();
        entry.elements += elements;
        due = !entry.table && entry.elements > enough;
        return entry.table;
    }

    void add(const TableIdentity& identity, const std::shared_ptr<const PairTable>& table) {
        const std::lock_guard<std::mutex> lock(mutex);
        for (Entry& entry : entries)
            if (entry.identity == identity) entry.table = table;
    }
};

Store& store() {
    static Store* const all = new Store;  // never destroyed: a thread may run while the process ends
    return *all;
}

}  // namespace

// All that the table depends on, besides the lookup table of the NPU.
TableIdentity::TableIdentity(const Machine& machine, const Operation& operation, Execute execute)
    : numbers{}, lookup{} {
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
    const bool scalar = operation.uses_ifm2 && operation.ifm2.storage == npu::Storage::none;
    add(scalar ? operation.ifm2.scalar : 0);
    add(operation.uses_ifm2 + 2 * scalar + 4 * operation.swap_operands + 8 * operation.hardware_average);
    add(activation.clamp + 2 * static_cast<int>(activation.table));
    add(activation.min);
    add(activation.max);
    add(activation.bias);
    if (activation.table != npu::Table::none)
        std::memcpy(lookup, machine.tables.data + activation.table_offset, sizeof lookup);
}

bool TableIdentity::operator==(const TableIdentity& other) const {
    return std::memcmp(numbers, other.numbers, sizeof numbers) == 0 &&
           std::memcmp(lookup, other.lookup, sizeof lookup) == 0;
}

const std::uint8_t* table_of_one(const Machine& machine, const Operation& operation, Execute execute) {
    const TableIdentity identity(machine, operation, execute);
    thread_local Last last{identity};
    if (last.known && last.identity == identity) return last.results;
    std::uint8_t values[256];
    for (std::size_t i = 0; i < 256; ++i) values[i] = static_cast<std::uint8_t>(i);
    last.known = compute(machine, operation, execute, 1, values, nullptr, last.results);
    last.identity = identity;
    return last.known ? last.results : nullptr;
}

std::shared_ptr<const PairTable> table_of_two(const Machine& machine, const Operation& operation, Execute execute) {
    const TableIdentity identity(machine, operation, execute);
    const npu::Shape& out = operation.out;
    bool due = false;
    const std::uint64_t elements = static_cast<std::uint64_t>(out.height) * static_cast<std::uint64_t>(out.width) *
                                   static_cast<std::uint64_t>(out.depth);
    if (auto found = store().find(identity, elements, due)) return found;
    if (!due) return nullptr;
    std::vector<std::uint8_t> first(65536), second(65536);
    for (std::size_t i = 0; i < 65536; ++i) {
        first[i] = static_cast<std::uint8_t>(i >> 8);
        second[i] = static_cast<std::uint8_t>(i);
    }
    const auto made = std::make_shared<PairTable>();
    if (!compute(machine, operation, execute, 256, first.data(), second.data(), made->results[0])) return nullptr;
    store().add(identity, made);
    return made;
}

}  // namespace etb::fast
