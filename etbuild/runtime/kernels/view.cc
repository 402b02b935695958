#include "kernels/view.h"

namespace etb {
namespace {

template <class T>
void copy_run(std::uint8_t* to, std::ptrdiff_t to_step, const std::uint8_t* from, std::ptrdiff_t from_step, int count) {
    auto* target = reinterpret_cast<T*>(to);
    const auto* source = reinterpret_cast<const T*>(from);
    for (int i = 0; i < count; ++i) target[i * to_step] = source[i * from_step];
}

void copy_same_type(Walk& walk, const View& from, const View& to) {
    const auto size = static_cast<std::ptrdiff_t>(element_size(from.tensor->dtype));
    for (; walk.run(); walk.next()) {
        std::uint8_t* target = to.tensor->data + (to.first + walk.at(0)) * size;
        const std::uint8_t* source = from.tensor->data + (from.first + walk.at(1)) * size;
        if (walk.step(0) == 1 && walk.step(1) == 1) {
            std::memmove(target, source, static_cast<std::size_t>(walk.run() * size));
        } else if (size == 1) {
            copy_run<std::uint8_t>(target, walk.step(0), source, walk.step(1), walk.run());
        } else if (size == 2) {
            copy_run<std::uint16_t>(target, walk.step(0), source, walk.step(1), walk.run());
        } else if (size == 4) {
            copy_run<std::uint32_t>(target, walk.step(0), source, walk.step(1), walk.run());
        } else {
            copy_run<std::uint64_t>(target, walk.step(0), source, walk.step(1), walk.run());
        }
    }
}

template <class Lane>
void convert(Walk& walk, const View& from, const View& to) {
    Lane lanes[most_lanes];
    for (; walk.run(); walk.next())
        for (std::int32_t done = 0; done < walk.run(); done += most_lanes) {
            const int count = walk.run() - done < most_lanes ? walk.run() - done : most_lanes;
            load_lanes(*from.tensor, from.first + walk.at(1) + done * walk.step(1), walk.step(1), count, lanes);
            store_lanes(*to.tensor, to.first + walk.at(0) + done * walk.step(0), walk.step(0), count, lanes);
        }
}

}  // namespace

View::View(const Tensor& all) : tensor(&all), sizes(all), steps(strides(all)) {}

void View::narrow(int dimension, std::int32_t start, std::int32_t count, std::int32_t step) {
    first += std::ptrdiff_t{steps[dimension]} * start;
    steps[dimension] = count > 1 ? steps[dimension] * step : 0;
    sizes[dimension] = count;
}

void View::drop(int dimension) {
    for (int d = dimension; d + 1 < sizes.rank; ++d) {
        sizes[d] = sizes[d + 1];
        steps[d] = steps[d + 1];
    }
    steps.rank = --sizes.rank;
}

void View::insert(int dimension, std::int32_t size) {
    if (sizes.rank == max_rank) return;  // the caller's resize of the output reports the error
    steps.rank = ++sizes.rank;
    for (int d = sizes.rank - 1; d > dimension; --d) {
        sizes[d] = sizes[d - 1];
        steps[d] = steps[d - 1];
    }
    sizes[dimension] = size;
    steps[dimension] = 0;
}

void View::reverse(int dimension) {
    first += std::ptrdiff_t{steps[dimension]} * (sizes[dimension] - 1);
    steps[dimension] = -steps[dimension];
}

void View::swap(int a, int b) {
    const std::int32_t size = sizes[a];
    const std::int32_t step = steps[a];
    sizes[a] = sizes[b];
    steps[a] = steps[b];
    sizes[b] = size;
    steps[b] = step;
}

Status copy(const View& from, const View& to) {
    if (from.sizes.rank != to.sizes.rank) return error(Code::mismatch, "copy between different numbers of dimensions");
    for (int d = 0; d < to.sizes.rank; ++d)
        if (from.sizes[d] != to.sizes[d]) return error(Code::mismatch, "copy between different shapes");
    const Dims steps[] = {to.steps, from.steps};
    Walk walk(to.sizes, steps);
    if (from.tensor->dtype == to.tensor->dtype) {
        copy_same_type(walk, from, to);
        return {};
    }
    if (!computes(from.tensor->dtype) || !computes(to.tensor->dtype))
        return error(Code::mismatch, "no conversion between these types");
    if (is_float(from.tensor->dtype) || is_float(to.tensor->dtype)) {
        convert<Real>(walk, from, to);
    } else {
        convert<std::int64_t>(walk, from, to);
    }
    return {};
}

Status copy_to(Args& args, const View& from, Tensor& out) {
    ETB_TRY(args.status);
    ETB_TRY(resize(out, from.sizes));
    return copy(from, View(out));
}

}  // namespace etb
