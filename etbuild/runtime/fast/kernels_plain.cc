// The version for any processor.
#include "fast/kernels_plain.h"

namespace etb::fast {
namespace {

bool runs_here() { return true; }

}  // namespace

const Kernels plain_kernels = {"plain", runs_here, plain_products, nullptr, plain_taps, nullptr, plain_rescale};

}  // namespace etb::fast
