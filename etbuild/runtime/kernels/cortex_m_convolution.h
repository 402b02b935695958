// What the convolutions of the cortex_m operators and the transposed ones share: operands, checks, and the loop over
// the elements of the result.
#pragma once

#include "kernels/feature_map.h"
#include "kernels/requantize.h"

namespace etb {

// The tensors and scales of a convolution. input_offset: the input's zero point with its sign changed.
struct ConvolutionOperands {
    const Tensor& in;
    const Tensor& weight;
    const Tensor* bias;
    Tensor& out;
    std::int32_t input_offset;
    Finish finish;
    ChannelScales scales;

    // Arguments from `at`: input_offset, output_offset, multipliers, shifts, activation_min, activation_max. result_at:
    // of the output. An error in args for what no operator takes.
    static ConvolutionOperands of(Args& args, std::size_t at, std::size_t result_at) {
        const auto input_offset = static_cast<std::int32_t>(args.integer(at));
        const ConvolutionOperands made{
            args.tensor(0),
            args.tensor(1),
            args.optional_tensor(2),
            args.out(result_at),
            input_offset,
            {static_cast<std::int32_t>(args.integer(at + 1)), args.integer(at + 4), args.integer(at + 5)},
            {args.tensor(at + 2), args.tensor(at + 3)}};
        args.demand(made.in.dtype == DType::i8 && made.weight.dtype == DType::i8 && made.out.dtype == DType::i8 &&
                        (!made.bias || made.bias->dtype == DType::i32),
                    "quantized convolution takes int8 and an int32 bias");
        args.demand(made.in.rank == 4 && made.weight.rank == 4 && made.out.rank == 4,
                    "quantized convolution takes four dimensions");
        return made;
    }

    // fits: whether weights and input fit together otherwise. windows: sets all but `out`.
    Status check(Args& args, bool fits, std::int32_t channels, const FeatureMap& map, std::size_t dilation_at,
                 Window (&windows)[2]) const {
        if (!fits || (bias && bias->count() != static_cast<std::size_t>(channels)))
            return error(Code::mismatch, "quantized convolution: shapes do not fit together");
        ETB_TRY(scales.check(channels));
        for (int d = 0; d < 2; ++d) windows[d].kernel = weight.sizes[1 + d];
        return read_windows(args, 3, dilation_at, map, windows);
    }

    // out = finish(requantize_o(bias[o] + taps(n, o)(oy, ox))) for every element; taps(n, o) is a function for a batch
    // and an output channel.
    template <class Taps>
    Status convolve(bool nhwc, const Taps& taps) const {
        const FeatureMap map(out, nhwc);
        for (std::int32_t n = 0; n < map.batches; ++n)
            for (std::int32_t o = 0; o < map.channels; ++o) {
                Requantize requantize;
                ETB_TRY(scales.of(o, requantize));
                const auto sum_of_taps = taps(n, o);
                std::int8_t* y = out.as<std::int8_t>() + n * map.batch_step + o * map.channel_step;
                const std::int32_t added = bias ? bias->as<std::int32_t>()[o] : 0;
                for (std::int32_t oy = 0; oy < map.sides[0].size; ++oy)
                    for (std::int32_t ox = 0; ox < map.sides[1].size; ++ox) {
                        const std::uint32_t sum = static_cast<std::uint32_t>(added) + sum_of_taps(oy, ox);
                        y[oy * map.sides[0].step + ox * map.sides[1].step] =
                            finish(requantize(static_cast<std::int32_t>(sum)));
                    }
            }
        return {};
    }
};

}  // namespace etb
