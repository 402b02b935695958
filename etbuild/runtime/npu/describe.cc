// Decodes feature maps, windows, weights and channel scales from the registers.
#include "npu/describe.h"

namespace etb::npu {

const MapFields ifm_fields = {reg::ifm_region,
                              reg::ifm_base0,
                              reg::ifm_stride_x,
                              reg::ifm_stride_y,
                              reg::ifm_stride_c,
                              reg::ifm_width0,
                              reg::ifm_height0,
                              reg::ifm_height1,
                              reg::ifm_zero_point,
                              reg55::ifm_precision_signed,
                              reg55::ifm_precision_element,
                              reg55::ifm_precision_brick};
const MapFields ifm2_fields = {reg::ifm2_region,
                               reg::ifm2_base0,
                               reg::ifm2_stride_x,
                               reg::ifm2_stride_y,
                               reg::ifm2_stride_c,
                               reg::ifm2_width0,
                               reg::ifm2_height0,
                               reg::ifm2_height1,
                               reg::ifm2_zero_point,
                               reg55::ifm2_precision_signed,
                               reg55::ifm2_precision_element,
                               reg55::ifm2_precision_brick};
const MapFields ofm_fields = {reg::ofm_region,
                              reg::ofm_base0,
                              reg::ofm_stride_x,
                              reg::ofm_stride_y,
                              reg::ofm_stride_c,
                              reg::ofm_width0,
                              reg::ofm_height0,
                              reg::ofm_height1,
                              reg::ofm_zero_point,
                              reg55::ofm_precision_signed,
                              reg55::ofm_precision_element,
                              reg55::ofm_precision_brick};

FeatureMap describe_map(const Registers& registers, const MapFields& fields) {
    FeatureMap map;
    for (unsigned tile = 0; tile < 4; ++tile) map.base[tile] = registers.get64(after(fields.base0, tile));
    map.stride_x = registers.get64(fields.stride_x);
    map.stride_y = registers.get64(fields.stride_y);
    map.stride_c = registers.get64(fields.stride_c);
    map.width0 = registers.get(fields.width0);
    map.height0 = registers.get(fields.height0);
    map.height1 = registers.get(fields.height1);
    map.region = static_cast<std::uint8_t>(registers.get(fields.region));
    map.element = static_cast<std::uint8_t>(1 << registers.get(fields.element));
    map.is_signed = registers.get(fields.is_signed) != 0;
    map.brick = registers.get(fields.brick) != 0;
    map.zero_point = registers.get(fields.zero_point);
    if (map.is_signed || map.element > 1) map.zero_point = static_cast<std::int16_t>(map.zero_point);
    return map;
}

Shape output_shape(const Registers& registers) {
    return {registers.get(reg::ofm_height), registers.get(reg::ofm_width), registers.get(reg::ofm_depth)};
}

Verdict describe_window(const Registers& registers, Operation& operation) {
    Window& window = operation.window;
    window.stride_x = 1 + registers.get(reg::kernel_stride_x_low) + 2 * registers.get(reg::kernel_stride_x_high);
    window.stride_y = 1 + registers.get(reg::kernel_stride_y_low) + 2 * registers.get(reg::kernel_stride_y_high);
    window.dilation_x = registers.get(reg::kernel_stride_dilation_x);
    window.dilation_y = registers.get(reg::kernel_stride_dilation_y);
    const std::int32_t dilated_width = registers.get(reg::kernel_width);
    const std::int32_t dilated_height = registers.get(reg::kernel_height);
    window.kernel_width = (dilated_width - 1) / window.dilation_x + 1;
    window.kernel_height = (dilated_height - 1) / window.dilation_y + 1;
    if (window.kernel_height > 65536 / window.kernel_width)
        return ETB_REFUSE(malformed, "kernel of more than 65536 taps");
    window.pad_top = registers.get(reg::ifm_pad_top);
    window.pad_left = registers.get(reg::ifm_pad_left);
    const std::int32_t pad_bottom = registers.get(reg::ifm_pad_bottom);
    const std::int32_t pad_right = registers.get(reg::ifm_pad_right);
    window.padded = (window.pad_top | window.pad_left | pad_bottom | pad_right) != 0;
    window.upscale = static_cast<Upscale>(registers.get(reg::ifm_upscale));
    window.extent_height = (operation.out.height - 1) * window.stride_y + dilated_height - window.pad_top - pad_bottom;
    window.extent_width = (operation.out.width - 1) * window.stride_x + dilated_width - window.pad_left - pad_right;
    return {};
}

Shape source_shape(const Window& window, std::int32_t depth) {
    Shape shape{window.extent_height, window.extent_width, depth};
    if (shape.height > 0 && window.upscale != Upscale::none) shape.height = (shape.height - 1) / 2 + 1;
    if (shape.width > 0 && window.upscale != Upscale::none) shape.width = (shape.width - 1) / 2 + 1;
    return shape;
}

Verdict describe_weights(const Machine& machine, const Registers& registers, Operation& operation) {
    Weights& weights = operation.weights;
    weights.cores = machine.config.cores;
    weights.block_depth = registers.get(reg::ofm_blk_depth);
    weights.part_kernel_first = registers.get(reg::kernel_stride_part_kernel_first) != 0;
    weights.region = static_cast<std::uint8_t>(registers.get(reg::weight_region));
    if (weights.block_depth % weights.cores != 0 && weights.block_depth < operation.out.depth)
        return ETB_REFUSE(malformed, "OFM block depth is not a multiple of the cores");
    Field base = reg::weight_base, length = reg::weight_length;
    for (int core = 0; core < weights.cores; ++core) {
        const auto size = static_cast<std::uint64_t>(registers.get64(length));
        weights.addresses[core] = registers.get64(base);
        ETB_ACCEPT(read_region(machine, weights.region, weights.addresses[core], size, weights.streams[core]));
        base = after(reg::weight1_base, 2 * static_cast<unsigned>(core));
        length = after(reg::weight1_length, 2 * static_cast<unsigned>(core));
    }
    operation.uses_weights = true;
    return {};
}

Verdict describe_channel_scales(const Machine& machine, const Registers& registers, Operation& operation) {
    ChannelScales& scales = operation.channel_scales;
    scales.region = static_cast<std::uint8_t>(registers.get(reg::scale_region));
    Field base = reg::scale_base;
    for (int core = 0; core < scales.cores; ++core) {
        const std::int32_t channels = (operation.out.depth + scales.cores - 1 - core) / scales.cores;
        scales.addresses[core] = registers.get64(base);
        ETB_ACCEPT(read_region(machine, scales.region, scales.addresses[core],
                               static_cast<std::uint64_t>(channels) * 10, scales.streams[core]));
        base = reg55::scale1_base;
    }
    operation.uses_scales = true;
    return {};
}

std::uint64_t product(std::uint64_t a, std::uint64_t b) {
    std::uint64_t result = 0;
    return __builtin_mul_overflow(a, b, &result) ? UINT64_MAX : result;
}

std::uint64_t elements(const Shape& shape) {
    if (shape.empty()) return 0;
    return product(product(static_cast<std::uint64_t>(shape.height), static_cast<std::uint64_t>(shape.width)),
                   static_cast<std::uint64_t>(shape.depth));
}

Verdict bind_maps(const Machine& machine, Operation& operation) {
    if (operation.uses_ifm) ETB_ACCEPT(bind_input(machine, operation.ifm));
    if (operation.uses_ifm2) ETB_ACCEPT(bind_input(machine, operation.ifm2));
    return operation.uses_ofm ? bind_output(machine, operation.ofm) : Verdict{};
}

}  // namespace etb::npu
