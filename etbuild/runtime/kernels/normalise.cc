// y = (x - mean) / sqrt(variance + eps) * weight + bias. Mean and variance are those of the normalised dimensions
// (aten::native_layer_norm), of a group of channels (native_group_norm), of a channel over the batch
// (_native_batch_norm_legit.no_stats), or arguments (_native_batch_norm_legit, _native_batch_norm_legit_no_training).
// Sums are in double precision. float32 in contiguous memory order. Tested by "norm" in test_normalisation.py.
#include <cmath>

#include "kernels/layout.h"
#include "kernels/reals.h"
#include "kernels/view.h"

namespace etb {
namespace {

// float32 in contiguous memory order, or absent.
bool is_plain_float(const Tensor* tensor) {
    if (!tensor) return true;
    if (!is_real(tensor->dtype)) return false;
    for (int d = 0; d < tensor->rank; ++d)
        if (tensor->order[d] != d) return false;
    return true;
}

struct Statistics {
    Real mean;
    Real inverse;  // 1 / sqrt(variance + eps)
};

Statistics statistics(ConstReals x, std::size_t count, double eps) {
    double sum = 0;
    for (std::size_t i = 0; i < count; ++i) sum += static_cast<double>(x[i]);
    const double mean = sum / static_cast<double>(count);
    double squares = 0;
    for (std::size_t i = 0; i < count; ++i) {
        const double distance = static_cast<double>(x[i]) - mean;
        squares += distance * distance;
    }
    const double variance = squares / static_cast<double>(count);
    return {static_cast<Real>(mean), static_cast<Real>(1.0 / std::sqrt(variance + eps))};
}

Real at_or(const Tensor* tensor, std::size_t i, Real fallback) { return tensor ? reals(*tensor)[i] : fallback; }

// The three outputs: the normalised values, the means, and 1 / sqrt(variance + eps).
struct Results {
    Tensor& values;
    Tensor& means;
    Tensor& inverses;

    Results(Args& args, std::size_t first)
        : values(args.out(first)), means(args.out(first + 1)), inverses(args.out(first + 2)) {
        args.demand(is_plain_float(&values) && is_plain_float(&means) && is_plain_float(&inverses),
                    "normalisation gives float32 in plain memory order");
    }
};

// native_layer_norm(input [..., normalized_shape], normalized_shape, weight, bias, eps, out, mean, rstd). weight and
// bias: of normalized_shape, or None. mean, rstd: [..., 1].
Status layer_norm(Args& args) {
    const Tensor& in = args.tensor(0);
    const Dims shape = args.integers(1);
    const Tensor* weight = args.optional_tensor(2);
    const Tensor* bias = args.optional_tensor(3);
    const double eps = args.number(4);
    const Results out(args, 5);
    args.demand(is_plain_float(&in) && is_plain_float(weight) && is_plain_float(bias),
                "layer_norm takes float32 in plain memory order");
    args.demand(shape.rank > 0 && shape.rank <= in.rank, "layer_norm: wrong number of dimensions");
    ETB_TRY(args.status);
    std::size_t length = 1;
    Dims outer(in);
    for (int d = in.rank - shape.rank, i = 0; d < in.rank; ++d, ++i) {
        if (shape[i] != in.sizes[d]) return error(Code::mismatch, "layer_norm: another shape than the input's");
        length *= static_cast<std::size_t>(in.sizes[d]);
        outer[d] = 1;
    }
    if ((weight && weight->count() != length) || (bias && bias->count() != length))
        return error(Code::mismatch, "layer_norm: weight or bias of another size", length);
    ETB_TRY(resize(out.values, Dims(in)));
    ETB_TRY(resize(out.means, outer));
    ETB_TRY(resize(out.inverses, outer));
    const std::size_t rows = length ? in.count() / length : 0;
    for (std::size_t r = 0; r < rows; ++r) {
        ConstReals x = reals(in) + r * length;
        Reals y = reals(out.values) + r * length;
        const Statistics row = statistics(x, length, eps);
        for (std::size_t i = 0; i < length; ++i)
            y[i] = (x[i] - row.mean) * row.inverse * at_or(weight, i, 1) + at_or(bias, i, 0);
        reals(out.means)[r] = row.mean;
        reals(out.inverses)[r] = row.inverse;
    }
    return {};
}

// native_group_norm(input [N, C, ...], weight [C], bias [C], N, C, HxW, groups, eps, out, mean [N, groups],
// rstd [N, groups]). weight and bias may be None. N, C and HxW are taken from the input's shape.
Status group_norm(Args& args) {
    const Tensor& in = args.tensor(0);
    const Tensor* weight = args.optional_tensor(1);
    const Tensor* bias = args.optional_tensor(2);
    const std::int64_t groups = args.integer(6);
    const double eps = args.number(7);
    const Results out(args, 8);
    args.demand(is_plain_float(&in) && is_plain_float(weight) && is_plain_float(bias),
                "group_norm takes float32 in plain memory order");
    ETB_TRY(args.status);
    if (in.rank < 2 || groups <= 0 || in.sizes[1] % groups)
        return error(Code::mismatch, "group_norm: channels do not divide into groups");
    const auto channels = static_cast<std::size_t>(in.sizes[1]);
    const auto batches = static_cast<std::size_t>(in.sizes[0]);
    if ((weight && weight->count() != channels) || (bias && bias->count() != channels))
        return error(Code::mismatch, "group_norm: weight or bias of another size", channels);
    Dims rows;
    rows.push(in.sizes[0]);
    rows.push(groups);
    ETB_TRY(resize(out.values, Dims(in)));
    ETB_TRY(resize(out.means, rows));
    ETB_TRY(resize(out.inverses, rows));
    if (in.count() == 0) return {};
    const std::size_t inner = in.count() / (batches * channels);
    const std::size_t width = channels / static_cast<std::size_t>(groups);
    const std::size_t length = width * inner;
    for (std::size_t r = 0; r < batches * static_cast<std::size_t>(groups); ++r) {
        ConstReals x = reals(in) + r * length;
        Reals y = reals(out.values) + r * length;
        const Statistics row = statistics(x, length, eps);
        for (std::size_t i = 0; i < length; ++i) {
            const std::size_t c = r % static_cast<std::size_t>(groups) * width + i / inner;
            const Real scale = row.inverse * at_or(weight, c, 1);
            y[i] = x[i] * scale + (at_or(bias, c, 0) - scale * row.mean);
        }
        reals(out.means)[r] = row.mean;
        reals(out.inverses)[r] = row.inverse;
    }
    return {};
}

// The input as [batches, count, inner], where `count` is the number of channels.
struct Channels {
    std::size_t batches, count, inner;
};

// out = (in - mean) * scale + shift for every element of channel c.
void normalise_channel(const Tensor& in, const Tensor& out, const Channels& channels, std::size_t c, Real mean,
                       Real scale, Real shift) {
    for (std::size_t b = 0; b < channels.batches; ++b) {
        const std::size_t first = (b * channels.count + c) * channels.inner;
        for (std::size_t i = 0; i < channels.inner; ++i)
            reals(out)[first + i] = (reals(in)[first + i] - mean) * scale + shift;
    }
}

Status check_batch(const Tensor& in, Span<const Tensor* const> others, Channels& channels) {
    if (!is_plain_float(&in) || in.rank < 2)
        return error(Code::mismatch, "batch_norm takes float32 in plain memory order");
    channels.count = static_cast<std::size_t>(in.sizes[1]);
    channels.batches = static_cast<std::size_t>(in.sizes[0]);
    const std::size_t rows = channels.count * channels.batches;
    channels.inner = rows ? in.count() / rows : 0;
    for (const Tensor* other : others)
        if (other && (!is_plain_float(other) || other->count() != channels.count))
            return error(Code::mismatch, "batch_norm: a parameter has another size than there are channels");
    return {};
}

// _native_batch_norm_legit_no_training(input [N, C, ...], weight, bias, running_mean, running_var ([C] each), momentum,
// eps, out, mean, rstd). weight and bias may be None. The last two outputs are empty. After: of the arguments between
// running_var and momentum.
template <std::size_t After>
Status batch_norm(Args& args) {
    const Tensor& in = args.tensor(0);
    const Tensor* weight = args.optional_tensor(1);
    const Tensor* bias = args.optional_tensor(2);
    const Tensor& mean = args.tensor(3);
    const Tensor& variance = args.tensor(4);
    const double eps = args.number(6 + After);
    const Results out(args, 7 + After);
    ETB_TRY(args.status);
    Channels channels;
    const Tensor* const others[] = {weight, bias, &mean, &variance};
    ETB_TRY(check_batch(in, others, channels));
    Dims none;
    none.push(0);
    ETB_TRY(resize(out.values, Dims(in)));
    ETB_TRY(resize(out.means, none));
    ETB_TRY(resize(out.inverses, none));
    for (std::size_t c = 0; c < channels.count; ++c) {
        const Real inverse = 1.0f / std::sqrt(reals(variance)[c] + static_cast<Real>(eps));
        normalise_channel(in, out.values, channels, c, reals(mean)[c], inverse * at_or(weight, c, 1),
                          at_or(bias, c, 0));
    }
    return {};
}

// _native_batch_norm_legit(input, weight, bias, running_mean, running_var, training, momentum, eps, out, mean, rstd):
// not in training, as above. ExecuTorch refuses training too.
Status batch_norm_or_training(Args& args) {
    if (args.boolean(5)) return error(Code::unsupported, "batch_norm in training");
    return batch_norm<1>(args);
}

// _native_batch_norm_legit.no_stats(input [N, C, ...], weight, bias ([C] each), training, momentum, eps, out,
// mean [C], rstd [C]). The statistics are always those of the input; training and momentum are not read.
Status batch_norm_of_batch(Args& args) {
    const Tensor& in = args.tensor(0);
    const Tensor* weight = args.optional_tensor(1);
    const Tensor* bias = args.optional_tensor(2);
    const double eps = args.number(5);
    const Results out(args, 6);
    ETB_TRY(args.status);
    Channels channels;
    const Tensor* const others[] = {weight, bias};
    ETB_TRY(check_batch(in, others, channels));
    Dims each;
    each.push(in.sizes[1]);
    ETB_TRY(resize(out.values, Dims(in)));
    ETB_TRY(resize(out.means, each));
    ETB_TRY(resize(out.inverses, each));
    const double count = static_cast<double>(channels.batches * channels.inner);
    for (std::size_t c = 0; c < channels.count; ++c) {
        double sums[2] = {0, 0};
        for (int pass = 0; pass < 2; ++pass)
            for (std::size_t b = 0; b < channels.batches; ++b)
                for (std::size_t i = 0; i < channels.inner; ++i) {
                    const auto x = static_cast<double>(reals(in)[(b * channels.count + c) * channels.inner + i]);
                    const double distance = x - sums[0] / count;
                    sums[pass] += pass ? distance * distance : x;
                }
        const auto mean = static_cast<Real>(sums[0] / count);
        const auto inverse = static_cast<Real>(1.0 / std::sqrt(sums[1] / count + eps));
        normalise_channel(in, out.values, channels, c, mean, inverse * at_or(weight, c, 1), at_or(bias, c, 0));
        reals(out.means)[c] = mean;
        reals(out.inverses)[c] = inverse;
    }
    return {};
}

}  // namespace

ETB_KERNEL(layer_norm, "aten::native_layer_norm.out", layer_norm);
ETB_KERNEL(group_norm, "aten::native_group_norm.out", group_norm);
ETB_KERNEL(batch_norm, "aten::_native_batch_norm_legit_no_training.out", batch_norm<0>);
ETB_KERNEL(batch_norm_legit, "aten::_native_batch_norm_legit.out", batch_norm_or_training);
ETB_KERNEL(batch_norm_of_batch, "aten::_native_batch_norm_legit.no_stats_out", batch_norm_of_batch);

}  // namespace etb
