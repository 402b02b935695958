// Decoding with the weight order of the family, packing for the kernels, and the store of what was decoded.
#include "fast/prepared.h"

#include <cstring>
#include <list>
#include <mutex>
#include <unordered_map>

#include "fast/scales.h"
#include "npu/weights.h"

namespace etb::fast {
namespace {

using npu::Op;
using npu::Operation;

constexpr std::uint64_t most_weights = 1 << 26;           // of one operation
constexpr std::size_t most_bytes = std::size_t{1} << 27;  // of the store

struct Sizes {
    std::size_t taps, depth, channels, groups;
    bool depthwise;
};

Sizes sizes_of(const Operation& operation) {
    Sizes sizes{};
    sizes.depthwise = operation.code == Op::depthwise;
    sizes.taps = static_cast<std::size_t>(operation.window.taps());
    sizes.depth = sizes.depthwise ? 1 : static_cast<std::size_t>(operation.ifm.shape.depth);
    sizes.channels = static_cast<std::size_t>(operation.out.depth);
    sizes.groups = (sizes.channels + lanes - 1) / lanes;
    return sizes;
}

// All that decides what is prepared, in one string of bytes.
struct Identity {
    std::vector<std::uint8_t> bytes;

    template <class T>
    void add(T value) {
        const auto* from = reinterpret_cast<const std::uint8_t*>(&value);
        bytes.insert(bytes.end(), from, from + sizeof value);
    }
    void add(const npu::Scale& scale) {
        add(scale.multiplier);
        add(scale.shift);
        add(scale.rounding);
        add(scale.pre_shift);
    }
};

void identify(const Operation& operation, const Kernels& kernels, Identity& out) {
    const npu::Window& window = operation.window;
    const npu::Weights& weights = operation.weights;
    const npu::ChannelScales& scales = operation.channel_scales;
    out.bytes.clear();
    out.add(&kernels);
    out.add(operation.weight_order);
    for (const std::int32_t number :
         {static_cast<std::int32_t>(operation.code), operation.ifm.shape.depth, operation.out.depth,
          zero_of(operation.ifm), offset_of(operation.ifm), window.kernel_height, window.kernel_width,
          window.dilation_y, window.dilation_x, window.stride_y, window.stride_x, weights.cores, weights.block_depth,
          weights.microblock_pixels, operation.config->macs, operation.config->ofm_microblock_depth, scales.cores})
        out.add(number);
    for (const bool flag : {weights.part_kernel_first, weights.fast, weights.sparse, operation.uses_scales})
        out.add(flag);
    out.add(scales.bias_bytes);
    out.add(scales.scale_bytes);
    out.add(scales.scale_mask);
    out.add(operation.scale);
    for (int i = 0; i < weights.cores; ++i) out.add(weights.streams[i].size);
    for (int i = 0; operation.uses_scales && i < scales.cores; ++i) out.add(scales.streams[i].size);
}

// The encoded bytes of an operation, one stream after the other.
template <class Visit>
bool each_stream(const Operation& operation, Visit visit) {
    for (int i = 0; i < operation.weights.cores; ++i)
        if (!visit(operation.weights.streams[i])) return false;
    for (int i = 0; operation.uses_scales && i < operation.channel_scales.cores; ++i)
        if (!visit(operation.channel_scales.streams[i])) return false;
    return true;
}

// [channel][tap][IFM depth], or for DEPTHWISE [tap][channel]. false: they cannot be decoded.
bool decode(const Operation& operation, const Sizes& sizes, std::vector<std::int16_t>& out) {
    const npu::WeightOrder& order = *operation.weight_order;
    std::vector<std::uint64_t> state((order.state_bytes + 7) / 8);
    out.assign(sizes.channels * sizes.taps * sizes.depth, 0);
    if (!order.open(operation, state.data()).ok()) return false;
    npu::WeightBlock block;
    block.channel_stride = sizes.depthwise ? 1 : sizes.taps * sizes.depth;
    block.tap_stride = sizes.depthwise ? sizes.channels : sizes.depth;
    for (; block.first < operation.out.depth; block.first += operation.weights.block_depth) {
        const std::int32_t left = operation.out.depth - block.first, depth = operation.weights.block_depth;
        block.count = left < depth ? left : depth;
        block.data = out.data() + static_cast<std::size_t>(block.first) * block.channel_stride;
        if (!order.block(operation, state.data(), block).ok()) return false;
    }
    return order.close(operation, state.data()).ok();
}

// width: inputs in a step.
template <class T>
void pack_products(const Sizes& sizes, const std::vector<std::int16_t>& from, std::size_t width, Prepared& to) {
    const std::size_t length = sizes.taps * sizes.depth;
    to.steps = (length + width - 1) / width;
    to.weights.assign(to.groups * to.steps * lanes * width * sizeof(T), 0);
    auto* const out = reinterpret_cast<T*>(to.weights.data());
    for (std::size_t channel = 0; channel < sizes.channels; ++channel)
        for (std::size_t i = 0; i < length; ++i) {
            const std::size_t step = channel / lanes * to.steps + i / width;
            out[(step * lanes + channel % lanes) * width + i % width] = static_cast<T>(from[channel * length + i]);
        }
}

// quads: four columns of a row in a step; else a tap.
template <class T>
void pack_taps(const Operation& operation, const Sizes& sizes, const std::vector<std::int16_t>& from, Prepared& to) {
    const auto width = static_cast<std::size_t>(operation.window.kernel_width);
    const std::size_t columns = to.quads ? 4 : 1, steps = (width + columns - 1) / columns;
    to.steps = static_cast<std::size_t>(operation.window.kernel_height) * steps;
    to.weights.assign(to.groups * to.steps * lanes * columns * sizeof(T), 0);
    auto* const out = reinterpret_cast<T*>(to.weights.data());
    for (std::size_t tap = 0; tap < sizes.taps; ++tap)
        for (std::size_t channel = 0; channel < sizes.channels; ++channel) {
            const std::size_t x = tap % width;
            const std::size_t step = channel / lanes * to.steps + tap / width * steps + x / columns;
            out[(step * lanes + channel % lanes) * columns + x % columns] =
                static_cast<T>(from[tap * sizes.channels + channel]);
        }
}

void pack(const Operation& operation, const Kernels& kernels, const Sizes& sizes, const std::vector<std::int16_t>& from,
          Prepared& to) {
    bool bytes = true;
    for (const std::int16_t weight : from) {
        bytes = bytes && weight == static_cast<std::int8_t>(weight);
        to.counters.zero_weights += weight == 0 ? 1 : 0;
    }
    to.counters.weights = from.size();
    to.groups = sizes.groups;
    if (sizes.depthwise) {
        to.quads = bytes && kernels.taps_of_quads && operation.window.dilation_x == 1;
        to.quads ? pack_taps<std::int8_t>(operation, sizes, from, to)
                 : pack_taps<std::int16_t>(operation, sizes, from, to);
    } else {
        to.quads = bytes && kernels.products_of_quads;
        to.quads ? pack_products<std::int8_t>(sizes, from, 4, to) : pack_products<std::int16_t>(sizes, from, 2, to);
    }
}

// Bias and scale of each channel; the bias includes what unsigned inputs add to the sums. false: out of range.
bool prepare_scales(const Operation& operation, const Sizes& sizes, const std::vector<std::int16_t>& weights,
                    Prepared& to) {
    const bool unsigned_inputs = sizes.depthwise || to.quads;
    to.scales.assign(to.groups, GroupScales{});
    for (std::size_t channel = 0; channel < sizes.channels; ++channel) {
        npu::ChannelScale scale;
        scale.scale = operation.scale;
        if (operation.uses_scales) npu::read_channel_scales(operation, static_cast<std::int32_t>(channel), 1, &scale);
        std::int64_t sum = 0, most = 0;
        const std::size_t length = sizes.taps * sizes.depth;
        for (std::size_t i = 0; i < length; ++i) {
            const std::int64_t weight =
                sizes.depthwise ? weights[i * sizes.channels + channel] : weights[channel * length + i];
            sum += weight;
            most += weight < 0 ? -weight : weight;
        }
        const std::int64_t limit = INT32_MAX - 255 * most;
        if (scale.bias > limit || scale.bias < -limit) return false;
        const std::int64_t bias = scale.bias - (unsigned_inputs ? zero_of(operation.ifm) * sum : 0);
        if (!set_scale(to.scales[channel / lanes], channel % lanes, bias, scale.scale)) return false;
    }
    return true;
}

struct Entry {
    std::vector<std::uint8_t> identity, encoded;
    std::shared_ptr<const Prepared> prepared;
    std::size_t bytes = 0;
};

std::uint64_t sampled_hash(const Operation& operation, const Identity& identity) {
    std::uint64_t hash = 14695981039346656037ULL;
    const auto add = [&](const std::uint8_t* from, std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) hash = (hash ^ from[i]) * 1099511628211ULL;
    };
    add(identity.bytes.data(), identity.bytes.size());
    each_stream(operation, [&](Bytes stream) {
        const std::size_t count = stream.size < 32 ? stream.size : 32;
        add(stream.data, count);
        add(stream.data + (stream.size - count) / 2, count);
        add(stream.data + stream.size - count, count);
        return true;
    });
    return hash;
}

// The most recently used first; what was not used for the longest time goes when there are more than most_bytes.
class Store {
public:
    std::shared_ptr<const Prepared> find(std::uint64_t hash, const Operation& operation, const Identity& identity) {
        const std::shared_ptr<const Entry> entry = taken(hash);
        return entry && entry->identity == identity.bytes && same(operation, *entry) ? entry->prepared : nullptr;
    }

    void add(std::uint64_t hash, const std::shared_ptr<const Entry>& entry) {
        const std::lock_guard<std::mutex> lock(mutex);
        const auto old = places.find(hash);
        if (old != places.end()) remove(old->second);
        entries.emplace_front(hash, entry);
        places[hash] = entries.begin();
        bytes += entry->bytes;
        while (bytes > most_bytes && entries.size() > 1) remove(std::prev(entries.end()));
    }

private:
    using Entries = std::list<std::pair<std::uint64_t, std::shared_ptr<const Entry>>>;

    std::shared_ptr<const Entry> taken(std::uint64_t hash) {
        const std::lock_guard<std::mutex> lock(mutex);
        const auto found = places.find(hash);
        if (found == places.end()) return nullptr;
        entries.splice(entries.begin(), entries, found->second);
        return entries.front().second;
    }

    void remove(Entries::iterator at) {
        bytes -= at->second->bytes;
        places.erase(at->first);
        entries.erase(at);
    }

    // The hash is of a part of the bytes, so all are compared.
    static bool same(const Operation& operation, const Entry& entry) {
        const std::uint8_t* at = entry.encoded.data();
        return each_stream(operation, [&](Bytes stream) {
            const bool equal = stream.size == 0 || std::memcmp(stream.data, at, stream.size) == 0;
            at += stream.size;
            return equal;
        });
    }

    std::mutex mutex;
    Entries entries;
    std::unordered_map<std::uint64_t, Entries::iterator> places;
    std::size_t bytes = 0;
};

Store& store() {
    static Store* const all = new Store;  // never destroyed: a thread may run while the process ends
    return *all;
}

}  // namespace

std::shared_ptr<const Prepared> prepared(const Operation& operation, const Kernels& kernels) {
    thread_local Identity identity;
    identify(operation, kernels, identity);
    const std::uint64_t hash = sampled_hash(operation, identity);
    if (auto found = store().find(hash, operation, identity)) return found;
    const Sizes sizes = sizes_of(operation);
    if (std::uint64_t{sizes.channels} * sizes.taps * sizes.depth > most_weights) return nullptr;
    std::vector<std::int16_t> weights;
    if (!decode(operation, sizes, weights)) return nullptr;
    auto made = std::make_shared<Prepared>();
    pack(operation, kernels, sizes, weights, *made);
    made->usable = prepare_scales(operation, sizes, weights, *made);
    const auto entry = std::make_shared<Entry>(Entry{identity.bytes, {}, made, 0});
    each_stream(operation, [&](Bytes stream) {
        entry->encoded.insert(entry->encoded.end(), stream.begin(), stream.end());
        return true;
    });
    entry->bytes = entry->encoded.size() + made->weights.size() + made->scales.size() * sizeof(GroupScales) + 1024;
    store().add(hash, entry);
    return made;
}

}  // namespace etb::fast
