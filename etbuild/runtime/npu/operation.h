// An operation decoded from the registers and validated. The functions of the operations and the observers read it.
#pragma once

#include "npu/config.h"
#include "npu/feature_map.h"
#include "npu/npu.h"
#include "npu/registers.h"
#include "npu/rounding.h"

namespace etb::npu {

enum class Upscale : std::uint8_t { none, nearest, zeros };

// The sliding window of CONV, DEPTHWISE and POOL. extent: size of the (upscaled) input without padding.
struct Window {
    std::int32_t kernel_height = 1, kernel_width = 1;  // taps
    std::int32_t stride_y = 1, stride_x = 1;
    std::int32_t dilation_y = 1, dilation_x = 1;
    std::int32_t pad_top = 0, pad_left = 0;
    std::int32_t extent_height = 0, extent_width = 0;
    Upscale upscale = Upscale::none;
    bool padded = false;  // some pad register is not zero

    // The IFM row (column) that tap k reads for output row (column) o. false: it is padding, or a zero inserted by
    // upscaling.
    bool source_row(std::int32_t o, std::int32_t k, std::int32_t& source) const {
        return find(o * stride_y + k * dilation_y - pad_top, extent_height, source);
    }
    bool source_column(std::int32_t o, std::int32_t k, std::int32_t& source) const {
        return find(o * stride_x + k * dilation_x - pad_left, extent_width, source);
    }
    [[nodiscard]] std::int32_t taps() const { return kernel_height * kernel_width; }
    // Whether each output reads the input element at its own place.
    [[nodiscard]] bool is_one_element() const {
        return taps() == 1 && stride_y == 1 && stride_x == 1 && !padded && upscale == Upscale::none;
    }

private:
    bool find(std::int32_t at, std::int32_t extent, std::int32_t& source) const {
        if (at < 0 || at >= extent || (upscale == Upscale::zeros && (at & 1))) return false;
        source = upscale == Upscale::none ? at : at >> 1;
        return true;
    }
};

// Lookup tables. to_*: 256 entries, indexed by 8 bits. interpolated_*: 512 pairs of base and slope, indexed by 16 bits.
enum class Table : std::uint8_t { none, to_8, to_16, to_32, interpolated_16, interpolated_32 };

// Applied after scaling and zero point: clamp, then lookup table.
struct Activation {
    bool clamp = true;
    std::int32_t min = 0, max = 0;
    Table table = Table::none;
    std::int32_t bias = 0;           // added to a value to get the table index
    std::uint32_t table_offset = 0;  // in bytes, into the table memory
};

// Encoded weights: one stream per core.
struct Weights {
    Bytes streams[4];
    std::int64_t addresses[4] = {};
    int cores = 1;
    std::int32_t block_depth = 1;  // OFM channels per block; the weight order restarts at each block
    bool part_kernel_first = false;
    bool fast = false, sparse = false;   // Ethos-U85
    std::int32_t microblock_pixels = 1;  // Ethos-U85
    std::uint8_t region = 0;
};

// Bias and scale of each OFM channel, 10 bytes: bias, scale, shift (6 bits).
struct ChannelScales {
    Bytes streams[2];
    std::int64_t addresses[2] = {};
    int cores = 1;
    std::uint8_t bias_bytes = 5, scale_bytes = 4;
    std::uint32_t scale_mask = 0xFFFFFFFF;
    std::uint8_t region = 0;
};

enum class AccumulatorInput : std::uint8_t { reset, keep, ifm2 };

// DMA_START: count1 * count0 copies of `length` bytes.
struct Transfer {
    bool source_internal = false, target_internal = false;
    bool source_indexed = false, target_indexed = false;
    std::uint8_t source_region = 0, target_region = 0, index_region = 0;
    std::int64_t source = 0, target = 0, index = 0;
    std::uint64_t length = 0;
    std::int32_t count0 = 1, count1 = 1;              // inner and outer number of copies
    std::int64_t source_step0 = 0, source_step1 = 0;  // in bytes, between the starts of copies
    std::int64_t target_step0 = 0, target_step1 = 0;
    std::int64_t index_skip = 0;
    std::uint32_t index_max = 0;
};

// RESIZE: source position = (o * step + offset) / n.
struct Resize {
    std::int32_t step_y = 0, step_x = 0;
    std::int32_t offset_y = 0, offset_x = 0;
    std::int32_t n_y = 1, n_x = 1;
};

enum class Transpose : std::uint8_t { hwc = 0, whc = 1, hcw = 2, wch = 3, chw = 6, cwh = 7 };
enum class Reverse : std::uint8_t { none, height, width, depth };

// Statistics of an operation, counted only if the job has an observer.
struct Counters {
    std::uint64_t weights = 0;
    std::uint64_t zero_weights = 0;
};

struct WeightOrder;  // npu/weights.h
struct Machine;      // npu/machine.h

struct Operation {
    std::uint32_t index = 0;  // number of the operation in the stream
    std::uint32_t word = 0;   // number of its word in the stream
    Op code = Op::stop;
    std::uint16_t mode = 0;  // the command's parameter
    const Config* config = nullptr;
    const Registers* registers = nullptr;
    const Machine* machine = nullptr;

    FeatureMap ifm, ifm2, ofm;
    bool uses_ifm = false, uses_ifm2 = false, uses_weights = false, uses_scales = false, uses_ofm = false;
    Shape out;  // shape of the result, before any transpose
    Transpose transpose = Transpose::hwc;
    Reverse reverse = Reverse::none;
    Window window;
    Activation activation;
    Scale scale, scale_a, scale_b;  // of the result, of operand A, of operand B
    bool swap_operands = false;     // IFM2 is operand A
    bool hardware_average = false;  // AVERAGE divides by the number of taps inside the input
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
