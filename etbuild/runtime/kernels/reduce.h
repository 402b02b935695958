// Reductions: splitting a tensor's dimensions into kept and reduced ones, and the loop over the reduced elements of
// each output element.
#pragma once

#include "kernels/lanes.h"
#include "kernels/walk.h"

namespace etb {

// The kept (kept_*) and the reduced (gone_*) dimensions of the input.
struct Reduction {
    const Tensor* in = nullptr;
    Tensor* out = nullptr;
    Dims kept_sizes, kept_steps;  // of the input
    Dims gone_sizes, gone_steps;  // of the input
    Dims out_steps;               // strides of the output, for the kept dimensions
    std::size_t length = 1;       // input elements per output element

    // dims: the dimensions to reduce; empty means all. keep: keepdim. Resizes `out`.
    static Status of(Args& args, const Tensor& in, const Dims& dims, bool keep, Tensor& out, Reduction& made);
};

// The reduction of the input elements of one output element. `state` is the accumulator, of a type that the functions
// know: begin resets it, take adds `count` elements, end returns the result.
template <class Lane>
struct Fold {
    void* state;
    void (*begin)(void* state);
    void (*take)(void* state, const Lane* lanes, int count);
    Lane (*end)(void* state, std::size_t length);
};

// For each output element: begin, take for all its input elements, end.
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
