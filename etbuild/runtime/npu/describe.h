// Decoding registers into an Operation: the part that both families share.
#pragma once

#include "npu/machine.h"
#include "npu/weights.h"

namespace etb::npu {

// The register fields of one feature map (IFM, IFM2, OFM).
struct MapFields {
    Field region, base0, stride_x, stride_y, stride_c, width0, height0, height1, zero_point;
    Field is_signed, element, brick;
};
extern const MapFields ifm_fields, ifm2_fields, ofm_fields;

// Decodes a feature map, except its shape and storage.
FeatureMap describe_map(const Registers& registers, const MapFields& fields);
Shape output_shape(const Registers& registers);
// Decodes padding, strides, taps and upscaling, and computes the extent of the input. operation.out must be set.
Verdict describe_window(const Registers& registers, Operation& operation);
// The IFM shape that the window reads.
Shape source_shape(const Window& window, std::int32_t depth);

Verdict describe_weights(const Machine& machine, const Registers& registers, Operation& operation);
Verdict describe_channel_scales(const Machine& machine, const Registers& registers, Operation& operation);

// a * b, saturating at 2^64 - 1.
std::uint64_t product(std::uint64_t a, std::uint64_t b);
std::uint64_t elements(const Shape& shape);  // saturating too

// Binds those of the three maps that the operation uses.
Verdict bind_maps(const Machine& machine, Operation& operation);

}  // namespace etb::npu
