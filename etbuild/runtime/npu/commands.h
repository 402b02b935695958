// Generated from npu/commands.yaml by `python -m etbuild.npu.generate`; do not edit.
// clang-format off
//
// Inaccuracies:
// - Time, PMU counters and the order of concurrent work are not modelled; waits and BLOCKDEP do nothing.
// - The built-in tanh and sigmoid of Ethos-U55 and U65 are an error.
// - Float accumulators (ACC_FORMAT F16) are an error.
// - Accumulators wrap on overflow, at 32 bits for 8-bit inputs without a kept accumulator, else at 64 bits.
// - Scaled values saturate at 64 bits.
// - Results for 32-bit outputs wrap at 32 bits; on Ethos-U55 and U65 the limits -32768 and 32767 do not apply to them.
// - Double rounding with shifts above 31 and rounding toward zero are unverified.
// - Tiles 1 and 3 (right of WIDTH0) are unverified.
// - Per-channel scales on pooling are unverified.
// - 2D and 3D DMA of Ethos-U65 are unverified.
// - Ethos-U85, CONV with weights from IFM2 and a window (a kernel, stride or padding) is an error; so is one with its accumulator from IFM2.
// - Ethos-U85, tables S8_S16, S8_S32 and S16_S32 are unverified.
// - Ethos-U85, a REDUCE_SUM of 16-bit maps with a 48-bit accumulator is an error; the NPU gives zeros.
// - Ethos-U85, an average pool with a scale or an accumulator input is an error.
// - A DMA to internal memory outside the tables is an error.
// - A BRANCH on a result of more than one element is an error, and so is a stream that branches for ever.
// - POOL ARGMAX_X, unverified: which axis is reduced and how the index is encoded.
// - POOL ARGMAX_Y, unverified: which axis is reduced and how the index is encoded.
// - ELEMENTWISE LRELU, unverified: scaling of the negative side.
// - ELEMENTWISE CLZ, unverified: all.
// - ELEMENTWISE SHR, unverified: rounding.
// - ELEMENTWISE SHL, unverified: shifts above 31.
// - ELEMENTWISE LSR, unverified: shifts above 31.
// - ELEMENTWISE DIV, unverified: rounding and division by zero.
// - ELEMENTWISE NE, unverified: all.
// - ELEMENTWISE GE, unverified: all.
// - RESIZE REPLICATE, unverified: all.
#pragma once

#include <cstdint>

namespace etb::npu {

enum class Op : std::uint8_t {
    stop = 0,
    irq = 1,
    conv = 2,
    depthwise = 3,
    pool = 5,
    elementwise = 6,
    resize = 7,
    dma_start = 16,
    dma_wait = 17,
    kernel_wait = 18,
    pmu_mask = 19,
};

enum class PoolMode : std::uint8_t {
    max_ = 0,
    average_ = 1,
    reduce_sum_ = 2,
    sum_ = 3,
    none_ = 4,
    min_ = 5,
    argmax_x_ = 6,
    argmax_y_ = 7,
};

enum class ElementwiseMode : std::uint8_t {
    mul_ = 0,
    add_ = 1,
    sub_ = 2,
    min_ = 3,
    max_ = 4,
    lrelu_ = 5,
    abs_ = 6,
    clz_ = 7,
    shr_ = 8,
    shl_ = 9,
    lsr_ = 10,
    div_ = 11,
    eq_ = 16,
    ne_ = 17,
    ge_ = 18,
    gt_ = 19,
    and_ = 33,
    or_ = 34,
    xor_ = 35,
    not_ = 36,
    and_not_ = 42,
};

enum class ResizeMode : std::uint8_t {
    bilinear_ = 0,
    replicate_ = 1,
    nearest_ = 2,
};

// Some bits of a register; `plus` (0 or 1) is added to their number. Packed, so that it is one constant.
enum class Field : std::uint32_t {};
constexpr Field field(unsigned code, bool wide, unsigned low, unsigned bits, bool is_signed, unsigned plus) {
    const unsigned flags = (wide ? 1U : 0U) << 8 | (is_signed ? 1U : 0U) << 21;
    return Field{code | flags | low << 9 | bits << 15 | plus << 22};
}
// The same bits of the register `count` codes further on.
constexpr Field after(Field one, unsigned count) { return Field{static_cast<std::uint32_t>(one) + count}; }

namespace reg {
inline constexpr Field ifm_pad_top = field(0x00, false, 0, 7, false, 0);
inline constexpr Field ifm_pad_left = field(0x01, false, 0, 7, false, 0);
inline constexpr Field ifm_pad_right = field(0x02, false, 0, 8, false, 0);
inline constexpr Field ifm_pad_bottom = field(0x03, false, 0, 8, false, 0);
inline constexpr Field ifm_depth = field(0x04, false, 0, 16, false, 1);
inline constexpr Field ifm_upscale = field(0x07, false, 0, 2, false, 0);
inline constexpr unsigned ifm_upscale_none = 0;
inline constexpr unsigned ifm_upscale_nearest = 1;
inline constexpr unsigned ifm_upscale_zeros = 2;
inline constexpr Field ifm_zero_point = field(0x09, false, 0, 16, false, 0);
inline constexpr Field ifm_width0 = field(0x0a, false, 0, 16, false, 1);
inline constexpr Field ifm_height0 = field(0x0b, false, 0, 16, false, 1);
inline constexpr Field ifm_height1 = field(0x0c, false, 0, 16, false, 1);
inline constexpr Field ifm_region = field(0x0f, false, 0, 3, false, 0);
inline constexpr Field ofm_width = field(0x11, false, 0, 16, false, 1);
inline constexpr Field ofm_height = field(0x12, false, 0, 16, false, 1);
inline constexpr Field ofm_depth = field(0x13, false, 0, 16, false, 1);
inline constexpr Field ofm_blk_width = field(0x15, false, 0, 16, false, 1);
inline constexpr Field ofm_blk_height = field(0x16, false, 0, 16, false, 1);
inline constexpr Field ofm_blk_depth = field(0x17, false, 0, 16, false, 1);
inline constexpr Field ofm_zero_point = field(0x18, false, 0, 16, false, 0);
inline constexpr Field ofm_width0 = field(0x1a, false, 0, 16, false, 1);
inline constexpr Field ofm_height0 = field(0x1b, false, 0, 16, false, 1);
inline constexpr Field ofm_height1 = field(0x1c, false, 0, 16, false, 1);
inline constexpr Field ofm_region = field(0x1f, false, 0, 3, false, 0);
inline constexpr Field kernel_width = field(0x20, false, 0, 16, false, 1);
inline constexpr Field kernel_height = field(0x21, false, 0, 16, false, 1);
inline constexpr Field kernel_stride_x_low = field(0x22, false, 0, 1, false, 0);
inline constexpr Field kernel_stride_y_low = field(0x22, false, 1, 1, false, 0);
inline constexpr Field kernel_stride_part_kernel_first = field(0x22, false, 2, 1, false, 0);
inline constexpr Field kernel_stride_dilation_x = field(0x22, false, 3, 1, false, 1);
inline constexpr Field kernel_stride_dilation_y = field(0x22, false, 4, 1, false, 1);
inline constexpr Field kernel_stride_decomposition_4x4 = field(0x22, false, 5, 1, false, 0);
inline constexpr Field kernel_stride_x_high = field(0x22, false, 6, 1, false, 0);
inline constexpr Field kernel_stride_y_high = field(0x22, false, 9, 1, false, 0);
inline constexpr Field activation_min = field(0x26, false, 0, 16, false, 0);
inline constexpr Field activation_max = field(0x27, false, 0, 16, false, 0);
inline constexpr Field weight_region = field(0x28, false, 0, 3, false, 0);
inline constexpr Field scale_region = field(0x29, false, 0, 3, false, 0);
inline constexpr Field blockdep = field(0x2f, false, 0, 3, false, 0);
inline constexpr Field dma0_size0 = field(0x32, false, 0, 16, false, 0);
inline constexpr Field dma0_size1 = field(0x33, false, 0, 16, false, 0);
inline constexpr Field ifm2_zero_point = field(0x89, false, 0, 16, false, 0);
inline constexpr Field ifm2_width0 = field(0x8a, false, 0, 16, false, 1);
inline constexpr Field ifm2_height0 = field(0x8b, false, 0, 16, false, 1);
inline constexpr Field ifm2_height1 = field(0x8c, false, 0, 16, false, 1);
inline constexpr Field ifm2_region = field(0x8f, false, 0, 3, false, 0);
inline constexpr Field ifm_base0 = field(0x00, true, 0, 40, false, 0);
inline constexpr Field ifm_base1 = field(0x01, true, 0, 40, false, 0);
inline constexpr Field ifm_base2 = field(0x02, true, 0, 40, false, 0);
inline constexpr Field ifm_base3 = field(0x03, true, 0, 40, false, 0);
inline constexpr Field ifm_stride_x = field(0x04, true, 0, 40, true, 0);
inline constexpr Field ifm_stride_y = field(0x05, true, 0, 40, true, 0);
inline constexpr Field ifm_stride_c = field(0x06, true, 0, 40, true, 0);
inline constexpr Field ofm_base0 = field(0x10, true, 0, 40, false, 0);
inline constexpr Field ofm_base1 = field(0x11, true, 0, 40, false, 0);
inline constexpr Field ofm_base2 = field(0x12, true, 0, 40, false, 0);
inline constexpr Field ofm_base3 = field(0x13, true, 0, 40, false, 0);
inline constexpr Field ofm_stride_x = field(0x14, true, 0, 40, true, 0);
inline constexpr Field ofm_stride_y = field(0x15, true, 0, 40, true, 0);
inline constexpr Field ofm_stride_c = field(0x16, true, 0, 40, true, 0);
inline constexpr Field weight_base = field(0x20, true, 0, 40, false, 0);
inline constexpr Field weight_length = field(0x21, true, 0, 32, false, 0);
inline constexpr Field scale_base = field(0x22, true, 0, 40, false, 0);
inline constexpr Field scale_length = field(0x23, true, 0, 20, false, 0);
inline constexpr Field dma0_src = field(0x30, true, 0, 40, false, 0);
inline constexpr Field dma0_dst = field(0x31, true, 0, 40, false, 0);
inline constexpr Field dma0_len = field(0x32, true, 0, 40, false, 0);
inline constexpr Field ifm2_base0 = field(0x80, true, 0, 40, false, 0);
inline constexpr Field ifm2_base1 = field(0x81, true, 0, 40, false, 0);
inline constexpr Field ifm2_base2 = field(0x82, true, 0, 40, false, 0);
inline constexpr Field ifm2_base3 = field(0x83, true, 0, 40, false, 0);
inline constexpr Field ifm2_stride_x = field(0x84, true, 0, 40, true, 0);
inline constexpr Field ifm2_stride_y = field(0x85, true, 0, 40, true, 0);
inline constexpr Field ifm2_stride_c = field(0x86, true, 0, 40, true, 0);
inline constexpr Field weight1_base = field(0x90, true, 0, 40, false, 0);
inline constexpr Field weight1_length = field(0x91, true, 0, 32, false, 0);
}  // namespace reg

namespace reg55 {
inline constexpr Field ifm_precision_signed = field(0x05, false, 0, 1, false, 0);
inline constexpr Field ifm_precision_element = field(0x05, false, 2, 2, false, 0);
inline constexpr Field ifm_precision_brick = field(0x05, false, 6, 1, false, 0);
inline constexpr Field ifm_precision_scale_mode = field(0x05, false, 8, 2, false, 0);
inline constexpr unsigned ifm_precision_scale_mode_opa_opb_16 = 0;
inline constexpr unsigned ifm_precision_scale_mode_opa_32 = 1;
inline constexpr unsigned ifm_precision_scale_mode_opb_32 = 2;
inline constexpr Field ifm_precision_rounding = field(0x05, false, 14, 2, false, 0);
inline constexpr unsigned ifm_precision_rounding_double = 0;
inline constexpr unsigned ifm_precision_rounding_truncate = 1;
inline constexpr unsigned ifm_precision_rounding_natural = 2;
inline constexpr Field ifm_ib_end = field(0x0d, false, 0, 6, false, 0);
inline constexpr Field ofm_precision_signed = field(0x14, false, 0, 1, false, 0);
inline constexpr Field ofm_precision_element = field(0x14, false, 1, 2, false, 0);
inline constexpr Field ofm_precision_brick = field(0x14, false, 6, 1, false, 0);
inline constexpr Field ofm_precision_global_scale = field(0x14, false, 8, 1, false, 0);
inline constexpr Field ofm_precision_rounding = field(0x14, false, 14, 2, false, 0);
inline constexpr unsigned ofm_precision_rounding_double = 0;
inline constexpr unsigned ofm_precision_rounding_truncate = 1;
inline constexpr unsigned ofm_precision_rounding_natural = 2;
inline constexpr Field parallel_mode = field(0x23, false, 0, 1, false, 0);
inline constexpr unsigned parallel_mode_single = 0;
inline constexpr unsigned parallel_mode_dual_by_depth = 1;
inline constexpr Field acc_format_format = field(0x24, false, 0, 2, false, 0);
inline constexpr unsigned acc_format_format_i32 = 0;
inline constexpr unsigned acc_format_format_i40 = 1;
inline constexpr unsigned acc_format_format_f16 = 2;
inline constexpr Field activation_function = field(0x25, false, 0, 5, false, 0);
inline constexpr unsigned activation_function_clamp = 0;
inline constexpr unsigned activation_function_tanh = 3;
inline constexpr unsigned activation_function_sigmoid = 4;
inline constexpr unsigned activation_function_table_0 = 16;
inline constexpr unsigned activation_function_table_1 = 17;
inline constexpr unsigned activation_function_table_2 = 18;
inline constexpr unsigned activation_function_table_3 = 19;
inline constexpr unsigned activation_function_table_4 = 20;
inline constexpr unsigned activation_function_table_5 = 21;
inline constexpr unsigned activation_function_table_6 = 22;
inline constexpr unsigned activation_function_table_7 = 23;
inline constexpr Field activation_clip = field(0x25, false, 12, 3, false, 0);
inline constexpr unsigned activation_clip_ofm = 0;
inline constexpr unsigned activation_clip_u8 = 2;
inline constexpr unsigned activation_clip_i8 = 3;
inline constexpr unsigned activation_clip_i16 = 5;
inline constexpr Field ab_start = field(0x2d, false, 0, 6, false, 0);
inline constexpr Field dma0_src_region_region = field(0x30, false, 0, 3, false, 0);
inline constexpr Field dma0_src_region_internal = field(0x30, false, 8, 1, false, 0);
inline constexpr Field dma0_src_region_stride_mode = field(0x30, false, 9, 2, false, 0);
inline constexpr unsigned dma0_src_region_stride_mode_1d = 0;
inline constexpr unsigned dma0_src_region_stride_mode_2d = 1;
inline constexpr unsigned dma0_src_region_stride_mode_3d = 2;
inline constexpr Field dma0_dst_region_region = field(0x31, false, 0, 3, false, 0);
inline constexpr Field dma0_dst_region_internal = field(0x31, false, 8, 1, false, 0);
inline constexpr Field dma0_dst_region_stride_mode = field(0x31, false, 9, 2, false, 0);
inline constexpr unsigned dma0_dst_region_stride_mode_1d = 0;
inline constexpr unsigned dma0_dst_region_stride_mode_2d = 1;
inline constexpr unsigned dma0_dst_region_stride_mode_3d = 2;
inline constexpr Field ifm2_broadcast_height = field(0x80, false, 0, 1, false, 0);
inline constexpr Field ifm2_broadcast_width = field(0x80, false, 1, 1, false, 0);
inline constexpr Field ifm2_broadcast_depth = field(0x80, false, 2, 1, false, 0);
inline constexpr Field ifm2_broadcast_ifm2_is_first = field(0x80, false, 6, 1, false, 0);
inline constexpr Field ifm2_broadcast_scalar = field(0x80, false, 7, 1, false, 0);
inline constexpr Field ifm2_scalar = field(0x81, false, 0, 16, false, 0);
inline constexpr Field ifm2_precision_signed = field(0x85, false, 0, 1, false, 0);
inline constexpr Field ifm2_precision_element = field(0x85, false, 2, 2, false, 0);
inline constexpr Field ifm2_precision_brick = field(0x85, false, 6, 1, false, 0);
inline constexpr Field ifm2_ib_start = field(0x8d, false, 0, 6, false, 0);
inline constexpr Field ofm_scale_scale = field(0x24, true, 0, 32, false, 0);
inline constexpr Field ofm_scale_shift = field(0x24, true, 32, 6, false, 0);
inline constexpr Field opa_scale_scale = field(0x25, true, 0, 32, false, 0);
inline constexpr Field opa_scale_shift = field(0x25, true, 32, 6, false, 0);
inline constexpr Field opb_scale_scale = field(0x26, true, 0, 16, false, 0);
inline constexpr Field dma0_skip0 = field(0x33, true, 0, 40, true, 0);
inline constexpr Field dma0_skip1 = field(0x34, true, 0, 40, true, 0);
inline constexpr Field scale1_base = field(0x92, true, 0, 40, false, 0);
inline constexpr Field scale1_length = field(0x93, true, 0, 20, false, 0);
}  // namespace reg55

namespace reg85 {
inline constexpr Field ifm_precision_signed = field(0x05, false, 0, 1, false, 0);
inline constexpr Field ifm_precision_element = field(0x05, false, 2, 2, false, 0);
inline constexpr Field ifm_precision_brick = field(0x05, false, 6, 1, false, 0);
inline constexpr Field ifm_precision_storage = field(0x05, false, 14, 2, false, 0);
inline constexpr unsigned ifm_precision_storage_memory = 0;
inline constexpr unsigned ifm_precision_storage_chain = 2;
inline constexpr unsigned ifm_precision_storage_none = 3;
inline constexpr Field ifm_broadcast_height = field(0x08, false, 0, 1, false, 0);
inline constexpr Field ifm_broadcast_width = field(0x08, false, 1, 1, false, 0);
inline constexpr Field ifm_broadcast_depth = field(0x08, false, 2, 1, false, 0);
inline constexpr Field ifm_broadcast_scalar = field(0x08, false, 3, 1, false, 0);
inline constexpr Field ofm_precision_signed = field(0x14, false, 0, 1, false, 0);
inline constexpr Field ofm_precision_element = field(0x14, false, 1, 2, false, 0);
inline constexpr Field ofm_precision_brick = field(0x14, false, 6, 1, false, 0);
inline constexpr Field ofm_precision_global_scale = field(0x14, false, 8, 1, false, 0);
inline constexpr Field ofm_precision_reverse = field(0x14, false, 9, 2, false, 0);
inline constexpr unsigned ofm_precision_reverse_none = 0;
inline constexpr unsigned ofm_precision_reverse_h = 1;
inline constexpr unsigned ofm_precision_reverse_w = 2;
inline constexpr unsigned ofm_precision_reverse_c = 3;
inline constexpr Field ofm_precision_transpose = field(0x14, false, 11, 3, false, 0);
inline constexpr unsigned ofm_precision_transpose_hwc = 0;
inline constexpr unsigned ofm_precision_transpose_whc = 1;
inline constexpr unsigned ofm_precision_transpose_hcw = 2;
inline constexpr unsigned ofm_precision_transpose_wch = 3;
inline constexpr unsigned ofm_precision_transpose_chw = 6;
inline constexpr unsigned ofm_precision_transpose_cwh = 7;
inline constexpr Field ofm_precision_storage = field(0x14, false, 14, 2, false, 0);
inline constexpr unsigned ofm_precision_storage_memory = 0;
inline constexpr unsigned ofm_precision_storage_chain = 2;
inline constexpr unsigned ofm_precision_storage_none = 3;
inline constexpr Field acc_format_format = field(0x24, false, 0, 2, false, 0);
inline constexpr unsigned acc_format_format_i32 = 0;
inline constexpr unsigned acc_format_format_i48 = 1;
inline constexpr Field acc_format_input = field(0x24, false, 4, 2, false, 0);
inline constexpr unsigned acc_format_input_reset = 0;
inline constexpr unsigned acc_format_input_keep = 1;
inline constexpr unsigned acc_format_input_ifm2 = 2;
inline constexpr Field acc_format_output_disabled = field(0x24, false, 6, 1, false, 0);
inline constexpr Field acc_format_microblock = field(0x24, false, 8, 3, false, 0);
inline constexpr unsigned acc_format_microblock_1x1 = 0;
inline constexpr unsigned acc_format_microblock_1x2 = 1;
inline constexpr unsigned acc_format_microblock_1x4 = 2;
inline constexpr unsigned acc_format_microblock_2x2 = 3;
inline constexpr unsigned acc_format_microblock_2x4 = 4;
inline constexpr unsigned acc_format_microblock_4x4 = 5;
inline constexpr Field activation_function = field(0x25, false, 0, 5, false, 0);
inline constexpr unsigned activation_function_clamp = 0;
inline constexpr unsigned activation_function_u8_u8 = 1;
inline constexpr unsigned activation_function_s8_s8 = 4;
inline constexpr unsigned activation_function_s8_s16 = 5;
inline constexpr unsigned activation_function_s8_s32 = 7;
inline constexpr unsigned activation_function_s16_s16 = 8;
inline constexpr unsigned activation_function_s16_s32 = 9;
inline constexpr Field activation_table = field(0x25, false, 5, 3, false, 0);
inline constexpr Field activation_no_clip = field(0x25, false, 12, 1, false, 0);
inline constexpr Field resize_x_scale_n = field(0x2a, false, 0, 11, false, 1);
inline constexpr Field resize_y_scale_n = field(0x2b, false, 0, 11, false, 1);
inline constexpr Field resize_x_offset = field(0x2c, false, 0, 12, true, 0);
inline constexpr Field resize_y_offset = field(0x2d, false, 0, 12, true, 0);
inline constexpr Field weight_format_fast = field(0x2e, false, 0, 1, false, 0);
inline constexpr Field weight_format_sparse = field(0x2e, false, 4, 1, false, 0);
inline constexpr Field dma0_src_region_region = field(0x30, false, 0, 3, false, 0);
inline constexpr Field dma0_src_region_internal = field(0x30, false, 8, 1, false, 0);
inline constexpr Field dma0_src_region_stride_mode = field(0x30, false, 9, 2, false, 0);
inline constexpr unsigned dma0_src_region_stride_mode_1d = 0;
inline constexpr unsigned dma0_src_region_stride_mode_2d = 1;
inline constexpr unsigned dma0_src_region_stride_mode_3d = 2;
inline constexpr Field dma0_src_region_indexed = field(0x30, false, 11, 1, false, 0);
inline constexpr Field dma0_dst_region_region = field(0x31, false, 0, 3, false, 0);
inline constexpr Field dma0_dst_region_internal = field(0x31, false, 8, 1, false, 0);
inline constexpr Field dma0_dst_region_stride_mode = field(0x31, false, 9, 2, false, 0);
inline constexpr unsigned dma0_dst_region_stride_mode_1d = 0;
inline constexpr unsigned dma0_dst_region_stride_mode_2d = 1;
inline constexpr unsigned dma0_dst_region_stride_mode_3d = 2;
inline constexpr Field dma0_dst_region_indexed = field(0x31, false, 11, 1, false, 0);
inline constexpr Field dma0_idx_region = field(0x34, false, 0, 3, false, 0);
inline constexpr Field ifm2_broadcast_height = field(0x80, false, 0, 1, false, 0);
inline constexpr Field ifm2_broadcast_width = field(0x80, false, 1, 1, false, 0);
inline constexpr Field ifm2_broadcast_depth = field(0x80, false, 2, 1, false, 0);
inline constexpr Field ifm2_broadcast_scalar = field(0x80, false, 3, 1, false, 0);
inline constexpr Field ifm2_precision_signed = field(0x85, false, 0, 1, false, 0);
inline constexpr Field ifm2_precision_element = field(0x85, false, 2, 2, false, 0);
inline constexpr Field ifm2_precision_brick = field(0x85, false, 6, 1, false, 0);
inline constexpr Field ifm2_precision_storage = field(0x85, false, 14, 2, false, 0);
inline constexpr unsigned ifm2_precision_storage_memory = 0;
inline constexpr unsigned ifm2_precision_storage_chain = 2;
inline constexpr unsigned ifm2_precision_storage_none = 3;
inline constexpr Field ofm_scale_scale = field(0x24, true, 0, 31, false, 0);
inline constexpr Field ofm_scale_shift = field(0x24, true, 32, 6, false, 0);
inline constexpr Field ofm_scale_double_shift = field(0x24, true, 38, 5, false, 0);
inline constexpr Field ofm_scale_rounding = field(0x24, true, 45, 3, false, 0);
inline constexpr unsigned ofm_scale_rounding_double = 0;
inline constexpr unsigned ofm_scale_rounding_natural = 1;
inline constexpr unsigned ofm_scale_rounding_double_asymmetric = 2;
inline constexpr unsigned ofm_scale_rounding_symmetric = 3;
inline constexpr unsigned ofm_scale_rounding_truncate = 4;
inline constexpr unsigned ofm_scale_rounding_floor = 5;
inline constexpr Field ifm_scale_scale = field(0x25, true, 0, 31, false, 0);
inline constexpr Field ifm_scale_shift = field(0x25, true, 32, 6, false, 0);
inline constexpr Field ifm_scale_double_shift = field(0x25, true, 38, 5, false, 0);
inline constexpr Field ifm_scale_natural = field(0x25, true, 45, 1, false, 0);
inline constexpr Field ifm2_scale_scale = field(0x26, true, 0, 31, false, 0);
inline constexpr Field ifm2_scale_shift = field(0x26, true, 32, 6, false, 0);
inline constexpr Field ifm2_scale_double_shift = field(0x26, true, 38, 5, false, 0);
inline constexpr Field ifm2_scale_natural = field(0x26, true, 45, 1, false, 0);
inline constexpr Field op_scalar = field(0x27, true, 0, 32, true, 0);
inline constexpr Field dma0_src_stride0 = field(0x33, true, 0, 40, true, 0);
inline constexpr Field dma0_src_stride1 = field(0x34, true, 0, 40, true, 0);
inline constexpr Field dma0_dst_stride0 = field(0x35, true, 0, 40, true, 0);
inline constexpr Field dma0_dst_stride1 = field(0x36, true, 0, 40, true, 0);
inline constexpr Field dma0_idx_base = field(0x37, true, 0, 40, false, 0);
inline constexpr Field dma0_idx_max = field(0x38, true, 0, 32, false, 0);
inline constexpr Field dma0_idx_skip1 = field(0x39, true, 0, 40, true, 0);
inline constexpr Field weight2_base = field(0x92, true, 0, 40, false, 0);
inline constexpr Field weight2_length = field(0x93, true, 0, 32, false, 0);
inline constexpr Field weight3_base = field(0x94, true, 0, 40, false, 0);
inline constexpr Field weight3_length = field(0x95, true, 0, 32, false, 0);
inline constexpr Field resize_x_step_fraction = field(0x96, true, 0, 11, false, 0);
inline constexpr Field resize_x_step_whole = field(0x96, true, 32, 4, false, 0);
inline constexpr Field resize_y_step_fraction = field(0x97, true, 0, 11, false, 0);
inline constexpr Field resize_y_step_whole = field(0x97, true, 32, 4, false, 0);
}  // namespace reg85

// One bit a register of this family: [family][narrow, wide][code / 8].
inline constexpr std::uint8_t known_registers[3][2][32] = {
    {{0xbf, 0xbe, 0xfe, 0x9d, 0xf7, 0xa3, 0x03, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x23, 0xbe, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00},
     {0x7f, 0x00, 0x7f, 0x00, 0x7f, 0x00, 0x07, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x7f, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00}},
    {{0xbf, 0xbe, 0xfe, 0x9d, 0xff, 0xa3, 0x0f, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x23, 0xbe, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00},
     {0x7f, 0x00, 0x7f, 0x00, 0x7f, 0x00, 0x1f, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x7f, 0x00, 0x0f, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00}},
    {{0xbf, 0x9f, 0xfe, 0x9d, 0xf7, 0xff, 0x1f, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x21, 0x9e, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00},
     {0x7f, 0x00, 0x7f, 0x00, 0xff, 0x00, 0xff, 0x03, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x7f, 0x00, 0xff, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00}},
};

struct Name {
    std::uint8_t code;
    std::uint8_t mode;
    const char* text;
};
inline constexpr Name operation_names[] = {
    {0, 0, "STOP"},
    {1, 0, "IRQ"},
    {2, 0, "CONV"},
    {3, 0, "DEPTHWISE"},
    {5, 0, "POOL MAX"},
    {5, 1, "POOL AVERAGE"},
    {5, 2, "POOL REDUCE_SUM"},
    {5, 3, "POOL SUM"},
    {5, 4, "POOL NONE"},
    {5, 5, "POOL MIN"},
    {5, 6, "POOL ARGMAX_X"},
    {5, 7, "POOL ARGMAX_Y"},
    {6, 0, "ELEMENTWISE MUL"},
    {6, 1, "ELEMENTWISE ADD"},
    {6, 2, "ELEMENTWISE SUB"},
    {6, 3, "ELEMENTWISE MIN"},
    {6, 4, "ELEMENTWISE MAX"},
    {6, 5, "ELEMENTWISE LRELU"},
    {6, 6, "ELEMENTWISE ABS"},
    {6, 7, "ELEMENTWISE CLZ"},
    {6, 8, "ELEMENTWISE SHR"},
    {6, 9, "ELEMENTWISE SHL"},
    {6, 10, "ELEMENTWISE LSR"},
    {6, 11, "ELEMENTWISE DIV"},
    {6, 16, "ELEMENTWISE EQ"},
    {6, 17, "ELEMENTWISE NE"},
    {6, 18, "ELEMENTWISE GE"},
    {6, 19, "ELEMENTWISE GT"},
    {6, 33, "ELEMENTWISE AND"},
    {6, 34, "ELEMENTWISE OR"},
    {6, 35, "ELEMENTWISE XOR"},
    {6, 36, "ELEMENTWISE NOT"},
    {6, 42, "ELEMENTWISE AND_NOT"},
    {7, 0, "RESIZE BILINEAR"},
    {7, 1, "RESIZE REPLICATE"},
    {7, 2, "RESIZE NEAREST"},
    {16, 0, "DMA_START"},
    {17, 0, "DMA_WAIT"},
    {18, 0, "KERNEL_WAIT"},
    {19, 0, "PMU_MASK"},
};

}  // namespace etb::npu
