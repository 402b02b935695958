// aten::convolution in one to three dimensions, with groups, stride, dilation and padding; and its transposed form.
//   out[n, o, p] = bias[o] + sum_c sum_k in[n, c, p stride + k dilation - pad] weight[o, c, k]
//   transposed:    in[n, c, i] weight[c, o, k], summed over all c, k, i with i stride + k dilation - pad = p
// float32, summed in the order of c and k. Tested by "convolution" in test_linear.py.
#include <initializer_list>

#include "kernels/reals.h"
#include "kernels/view.h"

namespace etb {
namespace {

// The spatial dimensions are D, H, W; absent ones have size 1.
constexpr int spatial = 3;

// One spatial dimension. extra: output_padding. *_step: strides in elements.
struct Axis {
    std::int32_t kernel = 1, stride = 1, pad = 0, dilation = 1, extra = 0, in = 1, out = 1;
    std::ptrdiff_t in_step = 0, weight_step = 0, out_step = 0;

    // The input position i for output position o and tap k; false where it is padding or, transposed, between inputs.
    template <bool Transposed>
    bool source(std::int32_t o, std::int32_t k, std::int32_t& i) const {
        const std::int64_t at = Transposed ? std::int64_t{o} + pad - std::int64_t{k} * dilation
                                           : std::int64_t{o} * stride + std::int64_t{k} * dilation - pad;
        if (Transposed && at % stride) return false;
        const std::int64_t place = Transposed ? at / stride : at;
        i = static_cast<std::int32_t>(place);
        return place >= 0 && place < in;
    }
};

struct Convolution {
    const Tensor* in;
    const Tensor* weight;
    const Tensor* bias;
    Tensor* out;
    bool transposed;
    std::int32_t groups;
    Axis axis[spatial];
    // Strides in elements along batch and channels.
    std::ptrdiff_t in_batch, in_channel, out_batch, out_channel, weight_output, weight_input;
    std::int32_t inputs, outputs;  // channels per group
};

// The sum over input channels and taps for output position `at`. x: the first input channel of the group. w: the
// weights of the output channel.
template <bool Transposed>
Real sum_at(const Convolution& work, ConstReals x, ConstReals w, const std::int32_t (&at)[spatial]) {
    Real sum = 0;
    const Axis* const a = work.axis;
    std::int32_t i[spatial];
    for (std::int32_t c = 0; c < work.inputs; ++c, x += work.in_channel, w += work.weight_input)
        for (std::int32_t kd = 0; kd < a[0].kernel; ++kd) {
            if (!a[0].source<Transposed>(at[0], kd, i[0])) continue;
            for (std::int32_t kh = 0; kh < a[1].kernel; ++kh) {
                if (!a[1].source<Transposed>(at[1], kh, i[1])) continue;
                ConstReals row = x + i[0] * a[0].in_step + i[1] * a[1].in_step;
                ConstReals taps = w + kd * a[0].weight_step + kh * a[1].weight_step;
                for (std::int32_t kw = 0; kw < a[2].kernel; ++kw)
                    if (a[2].source<Transposed>(at[2], kw, i[2]))
                        sum += row[i[2] * a[2].in_step] * taps[kw * a[2].weight_step];
            }
        }
    return sum;
}

void convolve(const Convolution& work) {
    const std::int32_t batches = work.out->sizes[0];
    const Axis* const a = work.axis;
    for (std::int32_t n = 0; n < batches; ++n)
        for (std::int32_t o = 0; o < work.groups * work.outputs; ++o) {
            const std::int32_t group = o / work.outputs;
            ConstReals x = reals(*work.in) + n * work.in_batch + std::ptrdiff_t{group} * work.inputs * work.in_channel;
            ConstReals w = reals(*work.weight);
            w += work.transposed
                     ? std::ptrdiff_t{group} * work.inputs * work.weight_input + (o % work.outputs) * work.weight_output
                     : o * work.weight_output;
            const Real bias = work.bias ? static_cast<Real>(reals(*work.bias)[o]) : 0;
            Reals y = reals(*work.out) + n * work.out_batch + o * work.out_channel;
            std::int32_t at[spatial];
            for (at[0] = 0; at[0] < a[0].out; ++at[0])
                for (at[1] = 0; at[1] < a[1].out; ++at[1])
                    for (at[2] = 0; at[2] < a[2].out; ++at[2])
                        y[at[0] * a[0].out_step + at[1] * a[1].out_step + at[2] * a[2].out_step] =
                            bias + (work.transposed ? sum_at<true>(work, x, w, at) : sum_at<false>(work, x, w, at));
        }
}

// Entry d of a list that may also be empty (fallback) or hold one value for all dimensions.
std::int32_t entry(const Dims& list, int d, std::int32_t fallback) {
    return list.rank == 0 ? fallback : list[list.rank == 1 ? 0 : d];
}

// Fills the spatial axes and the sizes of the output.
Status place_axes(Args& args, Convolution& work, Dims& sizes) {
    const Dims stride = args.integers(3);
    const Dims pad = args.integers(4);
    const Dims dilation = args.integers(5);
    const Dims extra = args.integers(7);
    ETB_TRY(args.status);
    const int dims = work.in->rank - 2;
    for (const Dims* list : {&stride, &pad, &dilation, &extra})
        if (list->rank > 1 && list->rank != dims)
            return error(Code::mismatch, "convolution: wrong number of strides or pads");
    for (int d = 0; d < dims; ++d) {
        Axis& axis = work.axis[spatial - dims + d];
        axis.kernel = work.weight->sizes[d + 2];
        axis.stride = entry(stride, d, 1);
        axis.pad = entry(pad, d, 0);
        axis.dilation = entry(dilation, d, 1);
        axis.extra = entry(extra, d, 0);
        axis.in = work.in->sizes[d + 2];
        const std::int32_t most = 1 << 24;
        if (axis.stride < 1 || axis.dilation < 1 || axis.pad < 0 || axis.extra < 0 || axis.kernel < 1 ||
            axis.stride > most || axis.dilation > most || axis.pad > most || axis.extra > most)
            return error(Code::mismatch, "convolution: wrong stride, pad or dilation");
        const std::int64_t reach = std::int64_t{axis.dilation} * (axis.kernel - 1) + 1;
        const std::int64_t size =
            work.transposed ? std::int64_t{axis.in - 1} * axis.stride - 2 * std::int64_t{axis.pad} + reach + axis.extra
                            : (std::int64_t{axis.in} + 2 * std::int64_t{axis.pad} - reach) / axis.stride + 1;
        const bool fits = work.transposed || std::int64_t{axis.in} + 2 * std::int64_t{axis.pad} >= reach;
        if (size < 1 || size > INT32_MAX || !fits)
            return error(Code::mismatch, "convolution: nothing is left of a dimension");
        axis.out = static_cast<std::int32_t>(size);
        sizes[d + 2] = axis.out;
    }
    return {};
}

// convolution(in [N, C, ...], weight, bias [O] or None, stride, padding, dilation, transposed, output_padding, groups,
// out [N, O, ...]). weight: [O, C / groups, ...], transposed [C, O / groups, ...].
Status convolution(Args& args) {
    Convolution work{};
    const Tensor& in = args.tensor(0);
    const Tensor& weight = args.tensor(1);
    work.in = &in;
    work.weight = &weight;
    work.bias = args.optional_tensor(2);
    work.transposed = args.boolean(6);
    const std::int64_t groups = args.integer(8);
    Tensor& out = args.out(9);
    work.out = &out;
    ETB_TRY(args.status);
    if constexpr (all_types) {
        args.demand(is_number(in.dtype) && is_number(weight.dtype) && is_number(out.dtype) &&
                        (!work.bias || is_number(work.bias->dtype)),
                    "convolution takes numbers");
        ETB_TRY(args.status);
    } else if (in.dtype != DType::f32 || weight.dtype != DType::f32 || out.dtype != DType::f32 ||
               (work.bias && work.bias->dtype != DType::f32)) {
        return error(Code::mismatch, "convolution takes float32");
    }
    if (in.rank < 3 || in.rank > 2 + spatial || weight.rank != in.rank || groups < 1 || in.sizes[1] % groups ||
        weight.sizes[0] % groups)
        return error(Code::mismatch, "convolution: shapes do not fit together");
    work.groups = static_cast<std::int32_t>(groups);
    work.inputs = in.sizes[1] / work.groups;
    work.outputs = work.transposed ? weight.sizes[1] : weight.sizes[0] / work.groups;
    const std::int32_t taken = work.transposed ? weight.sizes[0] : weight.sizes[1];
    if (taken != (work.transposed ? in.sizes[1] : work.inputs) ||
        (work.bias &&
         work.bias->count() != static_cast<std::size_t>(work.outputs) * static_cast<std::size_t>(work.groups)))
        return error(Code::mismatch, "convolution: shapes do not fit together");
    Dims sizes(in);
    if (__builtin_mul_overflow(work.outputs, work.groups, &sizes[1]))
        return error(Code::mismatch, "convolution: shapes do not fit together");
    ETB_TRY(place_axes(args, work, sizes));
    ETB_TRY(resize(out, sizes));
    const Dims in_steps = strides(in);
    const Dims weight_steps = strides(weight);
    const Dims out_steps = strides(out);
    work.in_batch = in_steps[0];
    work.in_channel = in_steps[1];
    work.out_batch = out_steps[0];
    work.out_channel = out_steps[1];
    work.weight_output = weight_steps[work.transposed ? 1 : 0];
    work.weight_input = weight_steps[work.transposed ? 0 : 1];
    for (int d = 2; d < in.rank; ++d) {
        Axis& axis = work.axis[spatial - in.rank + d];
        axis.in_step = in_steps[d];
        axis.weight_step = weight_steps[d];
        axis.out_step = out_steps[d];
    }
    convolve(work);
    return {};
}

}  // namespace

ETB_KERNEL(convolution, "aten::convolution.out", convolution);

}  // namespace etb
