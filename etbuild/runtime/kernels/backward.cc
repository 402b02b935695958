// Gradients: aten::convolution_backward of a convolution in two dimensions that is not transposed, and
// max_pool2d_with_indices_backward. Sums are in the type of the result. Tested by "backward" in
// test_portable_numeric.py.
#include <initializer_list>

#include "kernels/element.h"
#include "kernels/fill.h"
#include "kernels/layout.h"

namespace etb {
namespace {

void add(const Tensor& to, std::ptrdiff_t at, Real x) { store_one(to, at, load_one<Real>(to, at) + x); }

// One of the two spatial dimensions.
struct Axis {
    std::int32_t kernel, stride, pad, dilation, in, out;

    // The input position of output position o and tap k; false where it is padding.
    bool source(std::int32_t o, std::int32_t k, std::int32_t& i) const {
        const std::int64_t at = std::int64_t{o} * stride + std::int64_t{k} * dilation - pad;
        i = static_cast<std::int32_t>(at);
        return at >= 0 && at < in;
    }
};

// in [N, C, H, W], weight [O, C / groups, kH, kW], slope (grad_output) [N, O, h, w], and the gradients that are wanted,
// or null: of the input, of the weights, and of the bias [O].
struct Backward {
    const Tensor* slope;
    const Tensor* in;
    const Tensor* weight;
    Tensor* grads[3];
    std::int32_t groups;
    Axis axes[2];
};

Status read_axes(Args& args, Backward& work) {
    const Dims stride = args.integers(4);
    const Dims pad = args.integers(5);
    const Dims dilation = args.integers(6);
    ETB_TRY(args.status);
    const auto entry = [](const Dims& list, int d, std::int32_t fallback) {
        return list.rank == 0 ? fallback : list[list.rank == 1 ? 0 : d];
    };
    for (int d = 0; d < 2; ++d) {
        work.axes[d] = {work.weight->sizes[2 + d], entry(stride, d, 1),   entry(pad, d, 0),
                        entry(dilation, d, 1),     work.in->sizes[2 + d], work.slope->sizes[2 + d]};
        const Axis& axis = work.axes[d];
        if (axis.kernel < 1 || axis.stride < 1 || axis.pad < 0 || axis.dilation < 1)
            return error(Code::mismatch, "convolution_backward: wrong stride, pad or dilation");
        const std::int64_t reach = std::int64_t{axis.dilation} * (axis.kernel - 1) + 1;
        const std::int64_t free = std::int64_t{axis.in} + 2 * std::int64_t{axis.pad} - reach;
        if (free < 0 || free / axis.stride + 1 != axis.out)
            return error(Code::mismatch, "convolution_backward: gradient of another shape than the result");
    }
    return {};
}

// The part of the gradients that comes from output channel o at one output position, whose gradient is `slope`.
void spread(const Backward& work, std::int32_t n, std::int32_t o, std::int32_t y, std::int32_t x, Real slope) {
    const Dims in_steps = strides(*work.in);
    const Dims weight_steps = strides(*work.weight);
    const std::int32_t inputs = work.weight->sizes[1];
    const std::int32_t group = o / (work.weight->sizes[0] / work.groups);
    for (std::int32_t c = 0; c < inputs; ++c)
        for (std::int32_t ky = 0; ky < work.axes[0].kernel; ++ky) {
            std::int32_t iy = 0;
            if (!work.axes[0].source(y, ky, iy)) continue;
            for (std::int32_t kx = 0; kx < work.axes[1].kernel; ++kx) {
                std::int32_t ix = 0;
                if (!work.axes[1].source(x, kx, ix)) continue;
                const std::int32_t in_at[] = {n, group * inputs + c, iy, ix};
                const std::int32_t weight_at[] = {o, c, ky, kx};
                const auto at = [](const std::int32_t(&index)[4], const Dims& steps) {
                    std::ptrdiff_t sum = 0;
                    for (int d = 0; d < 4; ++d) sum += std::ptrdiff_t{index[d]} * steps[d];
                    return sum;
                };
                if (work.grads[0])
                    add(*work.grads[0], at(in_at, strides(*work.grads[0])),
                        slope * load_one<Real>(*work.weight, at(weight_at, weight_steps)));
                if (work.grads[1])
                    add(*work.grads[1], at(weight_at, strides(*work.grads[1])),
                        slope * load_one<Real>(*work.in, at(in_at, in_steps)));
            }
        }
}

// Which gradients are wanted (output_mask), each with the shape of what it belongs to, filled with 0.
Status begin(Args& args, Backward& work) {
    const Value& mask = args.value(10);
    if (mask.type != ValueType::booleans || mask.count != 3)
        return error(Code::mismatch, "convolution_backward: wrong output mask");
    Dims bias;
    bias.push(work.weight->sizes[0]);
    const Dims shapes[] = {Dims(*work.in), Dims(*work.weight), bias};
    const DType type = work.in->dtype;
    for (std::size_t i = 0; i < 3; ++i) {
        work.grads[i] = mask.packed[i] ? &args.out(11 + i) : nullptr;
        ETB_TRY(args.status);
        if (!work.grads[i]) continue;
        Tensor& grad = *work.grads[i];
        if (grad.dtype != type || &grad == work.in || &grad == work.weight || &grad == work.slope)
            return error(Code::mismatch, "convolution_backward: a gradient of a wrong type, or that is an input");
        ETB_TRY(resize(grad, shapes[i]));
        ETB_TRY(fill_with(0, grad));
    }
    return {};
}

// convolution_backward(grad_output, input, weight, bias_sizes or None, stride, padding, dilation, transposed,
// output_padding, groups, output_mask, grad_input, grad_weight, grad_bias).
Status convolution_backward(Args& args) {
    Backward work{};
    work.slope = &args.tensor(0);
    work.in = &args.tensor(1);
    work.weight = &args.tensor(2);
    const bool transposed = args.boolean(7);
    const std::int64_t groups = args.integer(9);
    ETB_TRY(args.status);
    if (transposed || work.weight->rank != 4)
        return error(Code::unsupported, "convolution_backward of another convolution than of two dimensions");
    for (const Tensor* tensor : {work.slope, work.in, work.weight})
        args.demand(
            tensor->rank == 4 && is_float(tensor->dtype) && computes(tensor->dtype) && tensor->dtype == work.in->dtype,
            "convolution_backward: wrong types or shapes");
    ETB_TRY(args.status);
    const std::int32_t outputs = work.weight->sizes[0];
    if (groups < 1 || groups > outputs || outputs % groups ||
        std::int64_t{work.weight->sizes[1]} * groups != work.in->sizes[1] || work.slope->sizes[1] != outputs ||
        work.slope->sizes[0] != work.in->sizes[0])
        return error(Code::mismatch, "convolution_backward: shapes do not fit together");
    work.groups = static_cast<std::int32_t>(groups);
    ETB_TRY(read_axes(args, work));
    ETB_TRY(begin(args, work));
    Dims order(*work.slope);  // batch, row, column, channel: the order in which ExecuTorch adds
    const Dims sizes = order;
    order[1] = sizes[2];
    order[2] = sizes[3];
    order[3] = sizes[1];
    const Dims steps = strides(*work.slope);
    for (Place place(order); place.more(); place.next()) {
        const std::int32_t o = place[3];
        const Real slope =
            load_one<Real>(*work.slope, std::ptrdiff_t{place[0]} * steps[0] + std::ptrdiff_t{o} * steps[1] +
                                            std::ptrdiff_t{place[1]} * steps[2] + std::ptrdiff_t{place[2]} * steps[3]);
        if (work.grads[2]) add(*work.grads[2], o, slope);
        if (work.grads[0] || work.grads[1]) spread(work, place[0], o, place[1], place[2], slope);
    }
    return {};
}

// max_pool2d_with_indices_backward(grad_output, self, kernel_size, stride, padding, dilation, ceil_mode, indices,
// grad_input): the gradient of each output is added at the place y * W + x of its plane that `indices` says. An index
// of -1 is skipped. How the window was moved is not read.
Status max_pool_backward(Args& args) {
    const Tensor& slope = args.tensor(0);
    const Tensor& in = args.tensor(1);
    const Tensor& indices = args.tensor(7);
    Tensor& grad = args.out(8);
    args.demand(is_float(in.dtype) && computes(in.dtype) && slope.dtype == in.dtype && grad.dtype == in.dtype &&
                    indices.dtype == DType::i64,
                "max pooling: wrong types");
    args.demand(in.rank >= 3 && in.rank <= 4 && &grad != &slope && &grad != &indices, "max pooling: wrong shapes");
    ETB_TRY(args.status);
    ETB_TRY(resize(grad, Dims(in)));
    if (!same_sizes(slope, indices) || slope.rank != grad.rank)
        return error(Code::mismatch, "max pooling: gradient and indices have different shapes");
    const int y = grad.rank - 2;
    for (int d = 0; d < y; ++d)
        if (slope.sizes[d] != grad.sizes[d]) return error(Code::mismatch, "max pooling: wrong shapes");
    ETB_TRY(fill_with(0, grad));
    const Dims to_steps = strides(grad);
    const Dims slope_steps = strides(slope);
    const Dims index_steps = strides(indices);
    const std::int64_t width = grad.sizes[y + 1];
    for (Place place(Dims{slope}); place.more(); place.next()) {
        const auto index = load_one<std::int64_t>(indices, place.offset(index_steps));
        if (index == -1) continue;
        if (index < 0 || width == 0 || index / width >= grad.sizes[y])
            return error(Code::out_of_bounds, "max pooling: index outside the plane",
                         static_cast<std::uint64_t>(index));
        auto to = static_cast<std::ptrdiff_t>(index / width * to_steps[y] + index % width * to_steps[y + 1]);
        for (int d = 0; d < y; ++d) to += std::ptrdiff_t{place[d]} * to_steps[d];
        add(grad, to, load_one<Real>(slope, place.offset(slope_steps)));
    }
    return {};
}

}  // namespace

ETB_KERNEL(convolution_backward, "aten::convolution_backward.out", convolution_backward);
ETB_KERNEL(max_pool2d_backward, "aten::max_pool2d_with_indices_backward.grad_input", max_pool_backward);

}  // namespace etb
