// Accesses are derived from the decoded operation, so the emulator's loops contain no code for observers.
#include "npu/observe.h"

#include "npu/machine.h"

namespace etb::npu {
namespace {

struct Visitor {
    void* context;
    void (*visit)(void* context, const Access& access);

    void operator()(Operand operand, std::uint8_t region, std::int64_t address, std::uint64_t size) const {
        const bool writes = operand == Operand::ofm || operand == Operand::target;
        if (size > 0) visit(context, {operand, region, writes, address, size});
    }
};

void visit_pixel(const FeatureMap& map, Operand operand, std::int32_t y, std::int32_t x, const Visitor& visitor) {
    const std::int64_t at = map.pixel(y, x);
    for (std::int32_t c = 0; c < map.shape.depth;) {
        const std::int32_t run = map.run(c, map.shape.depth - c);
        visitor(operand, map.region, at + map.channel(c), static_cast<std::uint64_t>(run) * map.element);
        c += run;
    }
}

// One dimension of a window.
struct Axis {
    std::int32_t taps, stride, dilation, pad, extent, outputs;
    Upscale upscale;
};

// Whether any tap of any output reads this IFM row (column).
bool is_read(const Axis& axis, std::int32_t source) {
    const std::int32_t first = axis.upscale == Upscale::none ? source : 2 * source;
    const std::int32_t last = axis.upscale == Upscale::nearest ? first + 1 : first;
    for (std::int32_t at = first; at <= last && at < axis.extent; ++at)
        for (std::int32_t k = 0; k < axis.taps; ++k) {
            const std::int32_t from = at + axis.pad - k * axis.dilation;
            if (from >= 0 && from % axis.stride == 0 && from / axis.stride < axis.outputs) return true;
        }
    return false;
}

bool has_window(const Operation& operation) {
    return (operation.code == Op::conv && !operation.uses_ifm2) || operation.code == Op::depthwise ||
           operation.code == Op::pool;
}

void visit_windowed(const Operation& operation, const Visitor& visitor) {
    const Window& window = operation.window;
    const FeatureMap& map = operation.ifm;
    const Axis rows{window.kernel_height, window.stride_y,      window.dilation_y, window.pad_top,
                    window.extent_height, operation.out.height, window.upscale};
    const Axis columns{window.kernel_width, window.stride_x,     window.dilation_x, window.pad_left,
                       window.extent_width, operation.out.width, window.upscale};
    for (std::int32_t y = 0; y < map.shape.height; ++y)
        for (std::int32_t x = 0; is_read(rows, y) && x < map.shape.width; ++x)
            if (is_read(columns, x)) visit_pixel(map, Operand::ifm, y, x, visitor);
}

void visit_map(const FeatureMap& map, Operand operand, const Visitor& visitor) {
    if (map.storage != Storage::memory) return;
    for (std::int32_t y = 0; y < map.shape.height; ++y)
        for (std::int32_t x = 0; x < map.shape.width; ++x) visit_pixel(map, operand, y, x, visitor);
}

void visit_transfer(const Operation& operation, const Visitor& visitor) {
    const Transfer& how = operation.transfer;
    for (std::int32_t outer = 0; outer < how.count1; ++outer)
        for (std::int32_t inner = 0; inner < how.count0; ++inner) {
            TransferPlace place;
            if (!transfer_place(*operation.machine, how, inner, outer, place).ok()) return;
            if (how.source_indexed || how.target_indexed) visitor(Operand::indices, how.index_region, place.index, 4);
            visitor(Operand::source, how.source_region, place.source, how.length);
            if (!how.target_internal) visitor(Operand::target, how.target_region, place.target, how.length);
        }
}

void visit_streams(const Operation& operation, const Visitor& visitor) {
    const Weights& weights = operation.weights;
    for (int core = 0; operation.uses_weights && core < weights.cores; ++core)
        visitor(Operand::weights, weights.region, weights.addresses[core], weights.streams[core].size);
    const ChannelScales& scales = operation.channel_scales;
    for (int core = 0; operation.uses_scales && core < scales.cores; ++core)
        visitor(Operand::scales, scales.region, scales.addresses[core], scales.streams[core].size);
}

void add(void* context, const Access& access) {
    auto& effects = *static_cast<Effects*>(context);
    (access.writes ? effects.bytes_written : effects.bytes_read)[access.region] += access.size;
}

void measure_result(const Operation& operation, Effects& effects) {
    FeatureMap map = operation.ofm;
    map.zero_point = 0;
    bool first = true;
    for (std::int32_t y = 0; y < map.shape.height; ++y)
        for (std::int32_t x = 0; x < map.shape.width; ++x)
            for (std::int32_t c = 0; c < map.shape.depth; ++c, first = false) {
                std::int64_t value = 0;
                load_channels(map, y, x, c, 1, &value);
                if (first || value < effects.min) effects.min = value;
                if (first || value > effects.max) effects.max = value;
                ++effects.elements;
            }
}

}  // namespace

void for_each_access(const Operation& operation, void* context, void (*visit)(void* context, const Access& access)) {
    const Visitor visitor{context, visit};
    if (operation.code == Op::dma_start) return visit_transfer(operation, visitor);
    visit_streams(operation, visitor);
    if (operation.uses_ifm && operation.ifm.storage == Storage::memory) {
        if (has_window(operation))
            visit_windowed(operation, visitor);
        else
            visit_map(operation.ifm, Operand::ifm, visitor);
    }
    if (operation.uses_ifm2) visit_map(operation.ifm2, Operand::ifm2, visitor);
    if (operation.uses_ofm) visit_map(operation.ofm, Operand::ofm, visitor);
}

Effects measure(const Operation& operation) {
    Effects effects;
    for_each_access(operation, &effects, add);
    if (operation.uses_ofm && operation.ofm.storage != Storage::none) measure_result(operation, effects);
    return effects;
}

const char* operation_name(const Operation& operation) {
    const char* found = "unknown";
    for (const Name& name : operation_names) {
        if (name.code != static_cast<std::uint8_t>(operation.code)) continue;
        const int mask = operation.code == Op::elementwise ? 63 : operation.code == Op::resize ? 3 : 7;
        const bool has_modes =
            operation.code == Op::pool || operation.code == Op::elementwise || operation.code == Op::resize;
        if (!has_modes || name.mode == (operation.mode & mask)) found = name.text;
    }
    return found;
}

}  // namespace etb::npu
