// Ethos-U55 and U65: decoding of their registers, and dispatch of their operations.
#include "npu/describe.h"
#include "npu/emulator.h"

namespace etb::npu {
namespace {

constexpr Rounding roundings[4] = {Rounding::twice, Rounding::truncate, Rounding::natural, Rounding::natural};

Scale describe_scale(const Registers& registers, Field multiplier, Field shift, Field rounding) {
    Scale scale;
    scale.multiplier = registers.get64(multiplier);
    scale.shift = registers.get(shift);
    scale.rounding = roundings[registers.get(rounding)];
    return scale;
}

// A table for 8-bit values occupies one 256-byte slot per byte of its entries; a table for 16-bit values takes 2 KiB.
Verdict describe_table(Operation& operation, unsigned function, unsigned clip) {
    Activation& activation = operation.activation;
    const FeatureMap& ofm = operation.ofm;
    if (function < reg55::activation_function_table_0 || function > reg55::activation_function_table_7)
        return ETB_REFUSE(unsupported, "activation function is not emulated");
    const bool from_16 = (clip == reg55::activation_clip_ofm && ofm.element == 2) || clip == reg55::activation_clip_i16;
    std::uint32_t size = 256U * ofm.element;
    if (from_16) {
        activation.table = Table::interpolated_16;
        activation.bias = ofm.is_signed ? 32768 : 0;
        size = 2048;
    } else {
        activation.table = ofm.element == 1 ? Table::to_8 : ofm.element == 2 ? Table::to_16 : Table::to_32;
        activation.bias = activation.min < 0 || ofm.is_signed ? 128 : 0;
    }
    activation.table_offset = (function - reg55::activation_function_table_0) * 256;
    activation.clamp = true;
    if (activation.table_offset + size > operation.config->tables_size)
        return ETB_REFUSE(out_of_bounds, "table outside its memory");
    return {};
}

Verdict describe_activation(const Registers& registers, Operation& operation) {
    Activation& activation = operation.activation;
    const FeatureMap& ofm = operation.ofm;
    const auto function = static_cast<unsigned>(registers.get(reg55::activation_function));
    const auto clip = static_cast<unsigned>(registers.get(reg55::activation_clip));
    const bool is_signed = clip == reg55::activation_clip_ofm ? ofm.is_signed : clip != reg55::activation_clip_u8;
    activation.min = registers.get(reg::activation_min);
    activation.max = registers.get(reg::activation_max);
    if (is_signed) {
        activation.min = static_cast<std::int16_t>(activation.min);
        activation.max = static_cast<std::int16_t>(activation.max);
    }
    // The registers hold 16-bit limits. For a 32-bit OFM the full 16-bit range means no clamp.
    const bool whole_range = activation.min == INT16_MIN && activation.max == INT16_MAX;
    activation.clamp = ofm.element <= 2 || (ofm.element == 4 && !whole_range);
    return function == reg55::activation_function_clamp ? Verdict{} : describe_table(operation, function, clip);
}

Verdict describe_output(const Registers& registers, Operation& operation) {
    operation.out = output_shape(registers);
    operation.ofm = describe_map(registers, ofm_fields);
    operation.ofm.shape = operation.out;
    operation.uses_ofm = true;
    operation.scale =
        describe_scale(registers, reg55::ofm_scale_scale, reg55::ofm_scale_shift, reg55::ofm_precision_rounding);
    return describe_activation(registers, operation);
}

// CONV, DEPTHWISE and POOL.
Verdict describe_windowed(const Machine& machine, const Registers& registers, Operation& operation) {
    ETB_ACCEPT(describe_output(registers, operation));
    ETB_ACCEPT(describe_window(registers, operation));
    const auto mode = static_cast<PoolMode>(operation.mode & 7);
    const bool pools = operation.code == Op::pool;
    if (pools && static_cast<unsigned>(mode) > static_cast<unsigned>(PoolMode::reduce_sum_))
        return ETB_REFUSE(unsupported, "POOL mode of another NPU");
    const bool all_channels = operation.code == Op::conv || (pools && mode == PoolMode::reduce_sum_);
    if (pools && mode == PoolMode::reduce_sum_ && operation.out.depth != 1)
        return ETB_REFUSE(malformed, "REDUCE_SUM with more than one output channel");
    operation.ifm = describe_map(registers, ifm_fields);
    operation.ifm.shape =
        source_shape(operation.window, all_channels ? registers.get(reg::ifm_depth) : operation.out.depth);
    operation.uses_ifm = true;
    operation.hardware_average = operation.window.padded;
    operation.macs = product(elements(operation.out), static_cast<std::uint64_t>(operation.window.taps()));
    if (all_channels) operation.macs = product(operation.macs, static_cast<std::uint64_t>(operation.ifm.shape.depth));
    if (!pools) {
        if (operation.ifm.element > 4) return ETB_REFUSE(unsupported, "convolution of 64-bit maps");
        operation.weight_order = &weight_order_u55;
        ETB_ACCEPT(describe_weights(machine, registers, operation));
    }
    operation.channel_scales.cores = machine.config.cores;
    if (!registers.get(reg55::ofm_precision_global_scale))
        ETB_ACCEPT(describe_channel_scales(machine, registers, operation));
    return bind_maps(machine, operation);
}

// IFM2: a feature map, or the scalar in IFM2_SCALAR.
void describe_second_operand(const Registers& registers, Operation& operation) {
    FeatureMap& map = operation.ifm2;
    map = describe_map(registers, ifm2_fields);
    operation.uses_ifm2 = true;
    if (registers.get(reg55::ifm2_broadcast_scalar)) {
        map.storage = Storage::none;
        map.scalar = registers.get(reg55::ifm2_scalar);
        if (map.is_signed) map.scalar = static_cast<std::int16_t>(map.scalar);
        map.zero_point = static_cast<std::int16_t>(map.zero_point);
    }
    map.repeat_height = registers.get(reg55::ifm2_broadcast_height) != 0;
    map.repeat_width = registers.get(reg55::ifm2_broadcast_width) != 0;
    map.repeat_depth = registers.get(reg55::ifm2_broadcast_depth) != 0;
    map.shape = {map.repeat_height ? 1 : operation.out.height, map.repeat_width ? 1 : operation.out.width,
                 map.repeat_depth ? 1 : operation.out.depth};
    operation.swap_operands = registers.get(reg55::ifm2_broadcast_ifm2_is_first) != 0;
}

Verdict describe_elementwise(const Machine& machine, const Registers& registers, Operation& operation) {
    const auto mode = static_cast<ElementwiseMode>(operation.mode & 63);
    if (static_cast<unsigned>(mode) > static_cast<unsigned>(ElementwiseMode::shl_))
        return ETB_REFUSE(unsupported, "ELEMENTWISE mode of another NPU");
    ETB_ACCEPT(describe_output(registers, operation));
    operation.scale.multiplier = static_cast<std::int32_t>(operation.scale.multiplier);
    operation.ifm = describe_map(registers, ifm_fields);
    operation.ifm.shape = operation.out;
    operation.uses_ifm = true;
    const bool unary =
        mode == ElementwiseMode::lrelu_ || mode == ElementwiseMode::abs_ || mode == ElementwiseMode::clz_;
    if (!unary) describe_second_operand(registers, operation);
    operation.scale_a =
        describe_scale(registers, reg55::opa_scale_scale, reg55::opa_scale_shift, reg55::ifm_precision_rounding);
    operation.scale_a.pre_shift = operation.ifm.element == 1 ? 20 : 15;
    operation.scale_b.multiplier = registers.get64(reg55::opb_scale_scale);
    operation.macs = elements(operation.out);
    return bind_maps(machine, operation);
}

// 2D and 3D modes (Ethos-U65): the source is contiguous; in the target DMA0_SKIP0 bytes are skipped after each copy and
// DMA0_SKIP1 after each row of copies.
Verdict describe_transfer(const Registers& registers, Operation& operation) {
    Transfer& how = operation.transfer;
    const auto mode = static_cast<unsigned>(registers.get(reg55::dma0_dst_region_stride_mode));
    how.source_region = static_cast<std::uint8_t>(registers.get(reg55::dma0_src_region_region));
    how.target_region = static_cast<std::uint8_t>(registers.get(reg55::dma0_dst_region_region));
    if (registers.get(reg55::dma0_src_region_internal)) return ETB_REFUSE(unsupported, "DMA from internal memory");
    how.target_internal = registers.get(reg55::dma0_dst_region_internal) != 0;
    how.source = registers.get64(reg::dma0_src);
    how.target = registers.get64(reg::dma0_dst);
    how.length = static_cast<std::uint64_t>(registers.get64(reg::dma0_len));
    const std::int32_t size0 = registers.get(reg::dma0_size0), size1 = registers.get(reg::dma0_size1);
    if (mode >= reg55::dma0_dst_region_stride_mode_2d) how.count0 = size0 == 0 ? 65536 : size0;
    if (mode >= reg55::dma0_dst_region_stride_mode_3d) how.count1 = size1 == 0 ? 65536 : size1;
    const auto length = static_cast<std::int64_t>(how.length);
    how.source_step0 = length;
    how.source_step1 = length * how.count0;
    how.target_step0 = length + registers.get64(reg55::dma0_skip0);
    how.target_step1 = how.target_step0 * how.count0 + registers.get64(reg55::dma0_skip1);
    operation.macs = product(product(static_cast<std::uint64_t>(how.count0), static_cast<std::uint64_t>(how.count1)),
                             how.length + 1);
    return {};
}

Verdict describe(const Machine& machine, const Registers& registers, Operation& operation) {
    switch (operation.code) {
        case Op::conv:
        case Op::depthwise:
        case Op::pool:
            return describe_windowed(machine, registers, operation);
        case Op::elementwise:
            return describe_elementwise(machine, registers, operation);
        case Op::dma_start:
            return describe_transfer(registers, operation);
        default:
            return ETB_REFUSE(unsupported, "no such operation on Ethos-U55 and U65");
    }
}

Verdict execute(Machine& machine, Operation& operation) {
    switch (operation.code) {
        case Op::conv:
            return convolution(machine, operation);
        case Op::depthwise:
            return depthwise(machine, operation);
        case Op::pool:
            return pool(machine, operation);
        case Op::elementwise:
            return elementwise_u55(machine, operation);
        default:
            return transfer(machine, operation);
    }
}

}  // namespace

const Family u55_u65 = {describe, execute, nullptr};

}  // namespace etb::npu
