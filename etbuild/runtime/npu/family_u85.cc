// Ethos-U85: decoding of its registers, and dispatch of its operations.
#include "npu/describe.h"
#include "npu/emulator.h"

namespace etb::npu {
namespace {

constexpr Rounding roundings[8] = {Rounding::twice,    Rounding::natural, Rounding::twice_up, Rounding::symmetric,
                                   Rounding::truncate, Rounding::down,    Rounding::natural,  Rounding::natural};
// Pixels per microblock, indexed by ACC_FORMAT's microblock field.
constexpr std::int32_t microblock_pixels[8] = {1, 2, 4, 4, 8, 16, 1, 1};

struct ScaleFields {
    Field multiplier, shift, pre_shift, rounding;
};
constexpr ScaleFields ofm_scale = {reg85::ofm_scale_scale, reg85::ofm_scale_shift, reg85::ofm_scale_double_shift,
                                   reg85::ofm_scale_rounding};
constexpr ScaleFields ifm_scale = {reg85::ifm_scale_scale, reg85::ifm_scale_shift, reg85::ifm_scale_double_shift,
                                   reg85::ifm_scale_natural};
constexpr ScaleFields ifm2_scale = {reg85::ifm2_scale_scale, reg85::ifm2_scale_shift, reg85::ifm2_scale_double_shift,
                                    reg85::ifm2_scale_natural};

Scale describe_scale(const Registers& registers, const ScaleFields& fields) {
    Scale scale;
    scale.multiplier = registers.get64(fields.multiplier);
    scale.shift = registers.get(fields.shift);
    scale.pre_shift = registers.get(fields.pre_shift);
    scale.rounding = roundings[registers.get(fields.rounding)];
    return scale;
}

struct TableKind {
    Table table;
    std::int32_t bias;
    std::uint32_t size;
};

Verdict table_kind(unsigned function, TableKind& kind) {
    switch (function) {
        case reg85::activation_function_u8_u8:
            kind = {Table::to_8, 0, 256};
            return {};
        case reg85::activation_function_s8_s8:
            kind = {Table::to_8, 128, 256};
            return {};
        case reg85::activation_function_s8_s16:
            kind = {Table::to_16, 128, 512};
            return {};
        case reg85::activation_function_s8_s32:
            kind = {Table::to_32, 128, 1024};
            return {};
        case reg85::activation_function_s16_s16:
            kind = {Table::interpolated_16, 32768, 2048};
            return {};
        case reg85::activation_function_s16_s32:
            kind = {Table::interpolated_32, 32768, 2048};
            return {};
        default:
            return ETB_REFUSE(unsupported, "activation function is not emulated");
    }
}

Verdict describe_activation(const Registers& registers, Operation& operation) {
    Activation& activation = operation.activation;
    const auto function = static_cast<unsigned>(registers.get(reg85::activation_function));
    activation.clamp = registers.get(reg85::activation_no_clip) == 0;
    activation.min = static_cast<std::int16_t>(registers.get(reg::activation_min));
    activation.max = registers.get(reg::activation_max);
    if (activation.min < 0 || operation.ofm.is_signed) activation.max = static_cast<std::int16_t>(activation.max);
    if (function == reg85::activation_function_clamp) return {};
    TableKind kind{};
    ETB_ACCEPT(table_kind(function, kind));
    activation.table = kind.table;
    activation.bias = kind.bias;
    activation.table_offset = static_cast<std::uint32_t>(registers.get(reg85::activation_table)) * kind.size;
    if (activation.table_offset + kind.size > operation.config->tables_size)
        return ETB_REFUSE(out_of_bounds, "table outside its memory");
    return {};
}

Verdict describe_storage(const Registers& registers, Field storage, FeatureMap& map) {
    constexpr Storage kinds[4] = {Storage::memory, Storage::memory, Storage::chain, Storage::none};
    const std::int32_t code = registers.get(storage);
    if (code == 1) return ETB_REFUSE(unsupported, "storage of a feature map is not known");
    map.storage = kinds[code];
    return {};
}

Shape transposed(const Shape& shape, Transpose transpose) {
    switch (transpose) {
        case Transpose::hwc:
            break;
        case Transpose::whc:
            return {shape.width, shape.height, shape.depth};
        case Transpose::hcw:
            return {shape.height, shape.depth, shape.width};
        case Transpose::wch:
            return {shape.width, shape.depth, shape.height};
        case Transpose::chw:
            return {shape.depth, shape.height, shape.width};
        case Transpose::cwh:
            return {shape.depth, shape.width, shape.height};
    }
    return shape;
}

Verdict describe_output(const Registers& registers, Operation& operation) {
    operation.out = output_shape(registers);
    operation.ofm = describe_map(registers, ofm_fields);
    operation.uses_ofm = true;
    ETB_ACCEPT(describe_storage(registers, reg85::ofm_precision_storage, operation.ofm));
    const std::int32_t transpose = registers.get(reg85::ofm_precision_transpose);
    if (transpose == 4 || transpose == 5) return ETB_REFUSE(unsupported, "transpose of the output is not known");
    operation.transpose = static_cast<Transpose>(transpose);
    operation.reverse = static_cast<Reverse>(registers.get(reg85::ofm_precision_reverse));
    const bool in_memory = operation.ofm.storage == Storage::memory;
    operation.ofm.shape = in_memory ? transposed(operation.out, operation.transpose) : operation.out;
    operation.scale = describe_scale(registers, ofm_scale);
    return describe_activation(registers, operation);
}

Verdict describe_stored(const Registers& registers, bool second, FeatureMap& map) {
    map = describe_map(registers, second ? ifm2_fields : ifm_fields);
    map.scalar = registers.get(reg85::op_scalar);
    return describe_storage(registers, second ? reg85::ifm2_precision_storage : reg85::ifm_precision_storage, map);
}

// An operand of ELEMENTWISE, the only operation that uses the broadcast registers.
Verdict describe_operand(const Registers& registers, bool second, Operation& operation) {
    FeatureMap& map = second ? operation.ifm2 : operation.ifm;
    ETB_ACCEPT(describe_stored(registers, second, map));
    if (registers.get(second ? reg85::ifm2_broadcast_scalar : reg85::ifm_broadcast_scalar)) map.storage = Storage::none;
    map.repeat_height = registers.get(second ? reg85::ifm2_broadcast_height : reg85::ifm_broadcast_height) != 0;
    map.repeat_width = registers.get(second ? reg85::ifm2_broadcast_width : reg85::ifm_broadcast_width) != 0;
    map.repeat_depth = registers.get(second ? reg85::ifm2_broadcast_depth : reg85::ifm_broadcast_depth) != 0;
    const Shape& out = operation.out;
    map.shape = {map.repeat_height ? 1 : out.height, map.repeat_width ? 1 : out.width,
                 map.repeat_depth ? 1 : out.depth};
    (second ? operation.uses_ifm2 : operation.uses_ifm) = true;
    return {};
}

Verdict describe_accumulator(const Registers& registers, Operation& operation) {
    if (registers.get(reg85::acc_format_format) > static_cast<int>(reg85::acc_format_format_i48))
        return ETB_REFUSE(unsupported, "accumulator format is not emulated");
    const std::int32_t input = registers.get(reg85::acc_format_input);
    if (input == 3) return ETB_REFUSE(unsupported, "accumulator input is not known");
    operation.accumulator_input = static_cast<AccumulatorInput>(input);
    operation.output_disabled = registers.get(reg85::acc_format_output_disabled) != 0;
    if (operation.output_disabled) operation.uses_ofm = false;
    if (operation.accumulator_input != AccumulatorInput::ifm2) return {};
    ETB_ACCEPT(describe_stored(registers, true, operation.ifm2));
    operation.ifm2.shape = operation.out;
    operation.uses_ifm2 = true;
    return {};
}

// The IFM of a windowed operation: no broadcast. depth: IFM channels that the operation reads.
Verdict describe_windowed_input(const Registers& registers, Operation& operation, std::int32_t depth) {
    ETB_ACCEPT(describe_stored(registers, false, operation.ifm));
    operation.ifm.shape = source_shape(operation.window, depth);
    operation.uses_ifm = true;
    return {};
}

Verdict describe_scales(const Machine& machine, const Registers& registers, Operation& operation) {
    operation.scale.pre_shift = 0;
    if (registers.get(reg85::ofm_precision_global_scale)) return {};
    const bool wide = registers.get(reg85::acc_format_format) == static_cast<int>(reg85::acc_format_format_i48);
    operation.channel_scales.bias_bytes = wide ? 6 : 4;
    operation.channel_scales.scale_bytes = wide ? 2 : 4;
    operation.channel_scales.scale_mask = wide ? 0x7FFF : 0x7FFFFFFF;
    return describe_channel_scales(machine, registers, operation);
}

Verdict describe_convolution(const Machine& machine, const Registers& registers, Operation& operation) {
    ETB_ACCEPT(describe_output(registers, operation));
    ETB_ACCEPT(describe_accumulator(registers, operation));
    ETB_ACCEPT(describe_window(registers, operation));
    const bool all_channels = operation.code == Op::conv;
    const std::int32_t depth = all_channels ? registers.get(reg::ifm_depth) : operation.out.depth;
    ETB_ACCEPT(describe_windowed_input(registers, operation, depth));
    if (operation.ifm.element > 4) return ETB_REFUSE(unsupported, "convolution of 64-bit maps");
    operation.macs = product(elements(operation.out), static_cast<std::uint64_t>(operation.window.taps()));
    if (all_channels) operation.macs = product(operation.macs, static_cast<std::uint64_t>(depth));
    operation.weights.fast = registers.get(reg85::weight_format_fast) != 0;
    operation.weights.sparse = registers.get(reg85::weight_format_sparse) != 0;
    operation.weights.microblock_pixels = microblock_pixels[registers.get(reg85::acc_format_microblock)];
    operation.weight_order = &weight_order_u85;
    ETB_ACCEPT(describe_weights(machine, registers, operation));
    ETB_ACCEPT(describe_scales(machine, registers, operation));
    return bind_maps(machine, operation);
}

Verdict describe_matrix_product(const Machine& machine, const Registers& registers, Operation& operation) {
    ETB_ACCEPT(describe_output(registers, operation));
    ETB_ACCEPT(describe_accumulator(registers, operation));
    if (operation.accumulator_input == AccumulatorInput::ifm2)
        return ETB_REFUSE(malformed, "CONV takes its weights and its accumulator from IFM2");
    ETB_ACCEPT(describe_window(registers, operation));
    if (!operation.window.is_one_element()) return ETB_REFUSE(unsupported, "CONV with weights from IFM2 and a window");
    ETB_ACCEPT(describe_stored(registers, false, operation.ifm));
    ETB_ACCEPT(describe_stored(registers, true, operation.ifm2));
    operation.uses_ifm = operation.uses_ifm2 = true;
    const std::int32_t length = registers.get(reg::ifm_depth);
    const Shape& out = operation.out;
    operation.ifm.shape = {out.height, out.width, length};
    operation.ifm2.shape = {out.height, out.depth, length};
    operation.scale.pre_shift = 0;
    operation.macs = product(elements(out), static_cast<std::uint64_t>(length));
    return bind_maps(machine, operation);
}

Verdict describe_pool(const Machine& machine, const Registers& registers, Operation& operation) {
    const auto mode = static_cast<PoolMode>(operation.mode & 7);
    ETB_ACCEPT(describe_output(registers, operation));
    ETB_ACCEPT(describe_accumulator(registers, operation));
    ETB_ACCEPT(describe_window(registers, operation));
    const bool all_channels = mode == PoolMode::reduce_sum_;
    if (all_channels && operation.out.depth != 1)
        return ETB_REFUSE(malformed, "REDUCE_SUM with more than one output channel");
    const std::int32_t depth = all_channels ? registers.get(reg::ifm_depth) : operation.out.depth;
    if (mode != PoolMode::none_) ETB_ACCEPT(describe_windowed_input(registers, operation, depth));
    const bool wide = registers.get(reg85::acc_format_format) == static_cast<int>(reg85::acc_format_format_i48);
    if (all_channels && wide && operation.ifm.element == 2)
        return ETB_REFUSE(unsupported, "REDUCE_SUM of 16-bit maps in 48 bits gives zeros on the NPU");
    ETB_ACCEPT(describe_scales(machine, registers, operation));
    const bool scaled = operation.uses_scales || operation.scale.multiplier != 1 || operation.scale.shift != 0;
    const bool accumulates = operation.accumulator_input != AccumulatorInput::reset || operation.output_disabled;
    if (mode == PoolMode::average_ && operation.window.taps() > 1 && (scaled || accumulates))
        return ETB_REFUSE(unsupported, "average pool with a scale or an accumulator");
    operation.hardware_average = true;
    operation.macs = product(elements(operation.out), static_cast<std::uint64_t>(operation.window.taps()));
    if (all_channels) operation.macs = product(operation.macs, static_cast<std::uint64_t>(depth));
    return bind_maps(machine, operation);
}

bool is_known(ElementwiseMode mode) {
    const auto code = static_cast<unsigned>(mode);
    return code <= static_cast<unsigned>(ElementwiseMode::div_) ||
           (code >= static_cast<unsigned>(ElementwiseMode::eq_) &&
            code <= static_cast<unsigned>(ElementwiseMode::gt_)) ||
           (code >= static_cast<unsigned>(ElementwiseMode::and_) &&
            code <= static_cast<unsigned>(ElementwiseMode::not_)) ||
           mode == ElementwiseMode::and_not_;
}

Verdict describe_elementwise(const Machine& machine, const Registers& registers, Operation& operation) {
    const auto mode = static_cast<ElementwiseMode>(operation.mode & 63);
    if (!is_known(mode)) return ETB_REFUSE(unsupported, "ELEMENTWISE mode is not known");
    ETB_ACCEPT(describe_output(registers, operation));
    ETB_ACCEPT(describe_operand(registers, false, operation));
    const bool unary = mode == ElementwiseMode::lrelu_ || mode == ElementwiseMode::abs_ ||
                       mode == ElementwiseMode::clz_ || mode == ElementwiseMode::not_;
    if (!unary) ETB_ACCEPT(describe_operand(registers, true, operation));
    operation.scale_a = describe_scale(registers, ifm_scale);
    operation.scale_b = describe_scale(registers, ifm2_scale);
    operation.macs = elements(operation.out);
    return bind_maps(machine, operation);
}

Verdict describe_resize(const Machine& machine, const Registers& registers, Operation& operation) {
    ETB_ACCEPT(describe_output(registers, operation));
    if ((operation.mode & 3) == 3) return ETB_REFUSE(unsupported, "RESIZE mode is not known");
    ETB_ACCEPT(describe_windowed_input(registers, operation, operation.out.depth));
    operation.ifm.shape = {registers.get(reg::kernel_height), registers.get(reg::kernel_width), operation.out.depth};
    if (operation.ifm.element > 2) return ETB_REFUSE(unsupported, "RESIZE of a map wider than 16 bits");
    Resize& how = operation.resize;
    how.n_x = registers.get(reg85::resize_x_scale_n);
    how.n_y = registers.get(reg85::resize_y_scale_n);
    how.offset_x = registers.get(reg85::resize_x_offset);
    how.offset_y = registers.get(reg85::resize_y_offset);
    how.step_x = registers.get(reg85::resize_x_step_whole) * how.n_x + registers.get(reg85::resize_x_step_fraction);
    how.step_y = registers.get(reg85::resize_y_step_whole) * how.n_y + registers.get(reg85::resize_y_step_fraction);
    operation.scale.pre_shift = 0;
    operation.macs = product(4, elements(operation.out));
    return bind_maps(machine, operation);
}

Verdict describe_transfer(const Registers& registers, Operation& operation) {
    Transfer& how = operation.transfer;
    const auto mode = static_cast<unsigned>(registers.get(reg85::dma0_src_region_stride_mode));
    if (registers.get(reg85::dma0_src_region_internal)) return ETB_REFUSE(unsupported, "DMA from internal memory");
    how.source_region = static_cast<std::uint8_t>(registers.get(reg85::dma0_src_region_region));
    how.target_region = static_cast<std::uint8_t>(registers.get(reg85::dma0_dst_region_region));
    how.index_region = static_cast<std::uint8_t>(registers.get(reg85::dma0_idx_region));
    how.target_internal = registers.get(reg85::dma0_dst_region_internal) != 0;
    how.source_indexed = registers.get(reg85::dma0_src_region_indexed) != 0;
    how.target_indexed = !how.source_indexed && registers.get(reg85::dma0_dst_region_indexed) != 0;
    how.source = registers.get64(reg::dma0_src);
    how.target = registers.get64(reg::dma0_dst);
    how.index = registers.get64(reg85::dma0_idx_base);
    how.length = static_cast<std::uint64_t>(registers.get64(reg::dma0_len));
    how.index_max = static_cast<std::uint32_t>(registers.get64(reg85::dma0_idx_max));
    how.index_skip = registers.get64(reg85::dma0_idx_skip1);
    how.source_step0 = registers.get64(reg85::dma0_src_stride0);
    how.source_step1 = registers.get64(reg85::dma0_src_stride1);
    how.target_step0 = registers.get64(reg85::dma0_dst_stride0);
    how.target_step1 = registers.get64(reg85::dma0_dst_stride1);
    const bool indexed = how.source_indexed || how.target_indexed;
    if (indexed || mode >= reg85::dma0_src_region_stride_mode_2d) how.count0 = registers.get(reg::dma0_size0);
    if (mode >= reg85::dma0_src_region_stride_mode_3d) how.count1 = registers.get(reg::dma0_size1);
    operation.macs = product(product(static_cast<std::uint64_t>(how.count0), static_cast<std::uint64_t>(how.count1)),
                             how.length + 1);
    return {};
}

Verdict describe(const Machine& machine, const Registers& registers, Operation& operation) {
    switch (operation.code) {
        case Op::conv:
            if (operation.mode & 1) return describe_matrix_product(machine, registers, operation);
            return describe_convolution(machine, registers, operation);
        case Op::depthwise:
            return describe_convolution(machine, registers, operation);
        case Op::pool:
            return describe_pool(machine, registers, operation);
        case Op::elementwise:
            return describe_elementwise(machine, registers, operation);
        case Op::resize:
            return describe_resize(machine, registers, operation);
        case Op::dma_start:
            return describe_transfer(registers, operation);
        default:
            return ETB_REFUSE(unsupported, "no such operation on Ethos-U85");
    }
}

Verdict execute(Machine& machine, Operation& operation) {
    switch (operation.code) {
        case Op::conv:
            return operation.mode & 1 ? matrix_product(machine, operation) : convolution(machine, operation);
        case Op::depthwise:
            return depthwise(machine, operation);
        case Op::pool:
            return pool(machine, operation);
        case Op::elementwise:
            return elementwise_u85(machine, operation);
        case Op::resize:
            return resize(machine, operation);
        default:
            return transfer(machine, operation);
    }
}

}  // namespace

const Family u85 = {describe, execute, &branching_u85};

}  // namespace etb::npu
