// Registers -> Operation: the parts that both families share.
#pragma once

#include "npu/machine.h"
#include "npu/weights.h"

namespace etb::npu {

// The registers of one of the three feature maps.
struct MapFields {
    Field region, base0, stride_x, stride_y, stride_c, width0, height0, height1, zero_point;
    Field is_signed, element, brick;
};
extern const MapFields ifm_fields, ifm2_fields, ofm_fields;

// Everything but its shape and storage.
FeatureMap describe_map(const Registers& registers, const MapFields& fields);
Shape output_shape(const Registers& registers);
// Padding, strides, taps and what they leave of the input; operation.out must be known.
Verdict describe_window(const Registers& registers, Operation& operation);
// What the window reads.
Shape source_shape(const Window& window, std::int32_t depth);

Verdict describe_weights(const Machine& machine, const Registers& registers, Operation& operation);
Verdict describe_channel_scales(const Machine& machine, const Registers& registers, Operation& operation);

// factors of at least 0; saturates.
std::uint64_t product(std::uint64_t a, std::uint64_t b);
std::uint64_t elements(const Shape& shape);

// Binds what the operation uses of the three maps.
Verdict bind_maps(const Machine& machine, Operation& operation);

}  // namespace etb::npu
