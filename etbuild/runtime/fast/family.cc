// The families of each version, and the choice of those that the processor can take.
#include "fast/fast.h"
#include "fast/operations.h"
#include "npu/output.h"

namespace etb::fast {
namespace {

using npu::Family;
using npu::Machine;
using npu::Op;
using npu::Operation;
using npu::Verdict;

bool run(Machine& machine, Operation& operation, const Kernels& kernels, const Family& family) {
    // A stream with branches may come here with other registers than the memory was planned for, which `family` finds.
    if (machine.branches || operation.out.empty()) return false;
    switch (operation.code) {
        case Op::conv:
            return convolution(machine, operation, kernels);
        case Op::depthwise:
            return depthwise(machine, operation, kernels);
        default:
            return mapped(machine, operation, family.execute);
    }
}

template <const Kernels& kernels, const Family& family>
struct Fast {
    static Verdict describe(const Machine& machine, const npu::Registers& registers, Operation& operation) {
        return family.describe(machine, registers, operation);
    }

    static Verdict execute(Machine& machine, Operation& operation) {
        if (machine.planning || !run(machine, operation, kernels, family)) return family.execute(machine, operation);
        return operation.code == Op::elementwise ? Verdict{} : npu::plan_accumulators(machine, operation);
    }
};

template <const Kernels& kernels, const Family& family, const npu::Branching* branching>
const Family fast_family = {Fast<kernels, family>::describe, Fast<kernels, family>::execute, branching};

template <const Kernels& kernels>
Path path_of(const char* name) {
    return {name, &fast_family<kernels, npu::u55_u65, nullptr>, &fast_family<kernels, npu::u85, &npu::branching_u85>};
}

struct Found {
    Path all[4];
    std::size_t count = 0;

    Found() {
#if defined(__x86_64__)
        if (avx512_kernels.runs_here()) all[count++] = path_of<avx512_kernels>("avx512");
        if (avx2_kernels.runs_here()) all[count++] = path_of<avx2_kernels>("avx2");
#endif
        all[count++] = path_of<plain_kernels>("plain");
        all[count++] = {"scalar", &npu::u55_u65, &npu::u85};
    }
};

}  // namespace

Span<const Path> paths() {
    static const Found found;
    return {found.all, found.count};
}

}  // namespace etb::fast
