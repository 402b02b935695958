// Reductions: which dimensions of a tensor go, and the walk over the elements behind each element of the result.
#pragma once

#include "kernels/lanes.h"
#include "kernels/walk.h"

namespace etb {

// The dimensions that stay and those that go, as views of the input.
struct Reduction {
    const Tensor* in = nullptr;
    Tensor* out = nullptr;
    Dims kept_sizes, kept_steps;  // of the input
    Dims gone_sizes, gone_steps;  // of the input
    Dims out_steps;               // of the result, for the dimensions that stay
    std::size_t length = 1;       // elements behind each of the result

    // dims: those that go; none of them means all. Gives `out` its size.
    static Status of(Args& args, const Tensor& in, const Dims& dims, bool keep, Tensor& out, Reduction& made);
};

// What is done with the elements behind one element of the result; S is the state between rows of them.
template <class Lane>
struct Fold {
    void* state;
    void (*begin)(void* state);
    void (*take)(void* state, const Lane* lanes, int count);
    Lane (*end)(void* state, std::size_t length);
};

// For each element of the result: begin, take all, end.
template <class Lane>
void fold(const Reduction& reduction, const Fold<Lane>& work) {
    const Dims outer[] = {reduction.out_steps, reduction.kept_steps};
    for (Walk place(reduction.kept_sizes, outer); place.run(); place.next())
        for (std::int32_t i = 0; i < place.run(); ++i) {
            work.begin(work.state);
            const std::ptrdiff_t first = place.at(1) + i * place.step(1);
            const Dims inner[] = {reduction.gone_steps};
            for (Walk walk(reduction.gone_sizes, inner); walk.run(); walk.next())
                for (std::int32_t done = 0; done < walk.run(); done += most_lanes) {
                    Lane lanes[most_lanes];
                    const int count = walk.run() - done < most_lanes ? walk.run() - done : most_lanes;
                    load_lanes(*reduction.in, first + walk.at(0) + done * walk.step(0), walk.step(0), count, lanes);
                    work.take(work.state, lanes, count);
                }
            const Lane result = work.end(work.state, reduction.length);
            store_lanes(*reduction.out, place.at(0) + i * place.step(0), 1, 1, &result);
        }
}

}  // namespace etb
