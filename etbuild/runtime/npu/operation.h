// One operation as its registers describe it, checked: what the operations' functions and the observers work from.
#pragma once

#include "npu/config.h"
#include "npu/feature_map.h"
#include "npu/npu.h"
#include "npu/registers.h"
#include "npu/rounding.h"

namespace etb::npu {

enum class Upscale : std::uint8_t { none, nearest, zeros };

// How output positions look into the input. extent: rows and columns of the (upscaled) input that are not padding.
struct Window {
    std::int32_t kernel_height = 1, kernel_width = 1;  // taps
    std::int32_t stride_y = 1, stride_x = 1;
    std::int32_t dilation_y = 1, dilation_x = 1;
    std::int32_t pad_top = 0, pad_left = 0;
    std::int32_t extent_height = 0, extent_width = 0;
    Upscale upscale = Upscale::none;
    bool padded = false;  // some pad register is not zero

    // The source row (column) of tap k for output row (column) o; false: padding, or a zero between upscaled elements.
    bool source_row(std::int32_t o, std::int32_t k, std::int32_t& source) const {
        return find(o * stride_y + k * dilation_y - pad_top, extent_height, source);
    }
    bool source_column(std::int32_t o, std::int32_t k, std::int32_t& source) const {
        return find(o * stride_x + k * dilation_x - pad_left, extent_width, source);
    }
    [[nodiscard]] std::int32_t taps() const { return kernel_height * kernel_width; }

private:
    bool find(std::int32_t at, std::int32_t extent, std::int32_t& source) const {
        if (at < 0 || at >= extent || (upscale == Upscale::zeros && (at & 1))) return false;
        source = upscale == Upscale::none ? at : at >> 1;
        return true;
    }
};

// A lookup table: from 8 bits (256 entries) or from 16 bits (512 pairs of base and slope).
enum class Table : std::uint8_t { none, to_8, to_16, to_32, interpolated_16, interpolated_32 };

// After scaling: zero point, clamp, table.
struct Activation {
    bool clamp = true;
    std::int32_t min = 0, max = 0;
    Table table = Table::none;
    std::int32_t bias = 0;           // added to a value to give the index
    std::uint32_t table_offset = 0;  // bytes into the table memory
};

// Encoded weights: one stream a core.
struct Weights {
    Bytes streams[4];
    std::int64_t addresses[4] = {};
    int cores = 1;
    std::int32_t block_depth = 1;  // of the OFM, after which the order begins anew
    bool part_kernel_first = false;
    bool fast = false, sparse = false;   // Ethos-U85
    std::int32_t microblock_pixels = 1;  // Ethos-U85
    std::uint8_t region = 0;
};

// Bias and scale of each channel, 10 bytes: bias, then scale, then shift (6 bits).
struct ChannelScales {
    Bytes streams[2];
    std::int64_t addresses[2] = {};
    int cores = 1;
    std::uint8_t bias_bytes = 5, scale_bytes = 4;
    std::uint32_t scale_mask = 0xFFFFFFFF;
    std::uint8_t region = 0;
};

enum class AccumulatorInput : std::uint8_t { reset, keep, ifm2 };

struct Transfer {
    bool source_internal = false, target_internal = false;
    bool source_indexed = false, target_indexed = false;
    std::uint8_t source_region = 0, target_region = 0, index_region = 0;
    std::int64_t source = 0, target = 0, index = 0;
    std::uint64_t length = 0;
    std::int32_t count0 = 1, count1 = 1;              // inner and outer repeats
    std::int64_t source_step0 = 0, source_step1 = 0;  // bytes from one start to the next
    std::int64_t target_step0 = 0, target_step1 = 0;
    std::int64_t index_skip = 0;
    std::uint32_t index_max = 0;
};

// Position in the source = (o * step + offset) / n.
struct Resize {
    std::int32_t step_y = 0, step_x = 0;
    std::int32_t offset_y = 0, offset_x = 0;
    std::int32_t n_y = 1, n_x = 1;
};

enum class Transpose : std::uint8_t { hwc = 0, whc = 1, hcw = 2, wch = 3, chw = 6, cwh = 7 };
enum class Reverse : std::uint8_t { none, height, width, depth };

// What an operation did, when somebody observes.
struct Counters {
    std::uint64_t weights = 0;
    std::uint64_t zero_weights = 0;
};

struct WeightOrder;  // npu/weights.h
struct Machine;      // npu/machine.h

struct Operation {
    std::uint32_t index = 0;  // among the stream's operations
    std::uint32_t word = 0;   // its place in the stream
    Op code = Op::stop;
    std::uint16_t mode = 0;  // its parameter
    const Config* config = nullptr;
    const Registers* registers = nullptr;
    const Machine* machine = nullptr;

    FeatureMap ifm, ifm2, ofm;
    bool uses_ifm = false, uses_ifm2 = false, uses_weights = false, uses_scales = false, uses_ofm = false;
    Shape out;  // of the result, before any transpose
    Transpose transpose = Transpose::hwc;
    Reverse reverse = Reverse::none;
    Window window;
    Activation activation;
    Scale scale, scale_a, scale_b;  // of the result; of the operands
    bool swap_operands = false;     // IFM2 is operand A
    bool hardware_average = false;  // an average is divided by its valid taps rather than scaled
    Weights weights;
    const WeightOrder* weight_order = nullptr;
    ChannelScales channel_scales;
    AccumulatorInput accumulator_input = AccumulatorInput::reset;
    bool output_disabled = false;
    Resize resize;
    Transfer transfer;
    std::uint64_t macs = 0;  // multiply-accumulates, or elements visited
    Counters counters;
};

}  // namespace etb::npu
