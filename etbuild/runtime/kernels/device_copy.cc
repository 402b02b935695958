// et_copy::_h2d_copy and _d2h_copy (self, out): copies between the memory of the CPU and that of a device, such as a
// GPU. There is no such device here. ExecuTorch too refuses both for tensors in the memory of the CPU. Tested by
// test_refused.py.
#include "kernels/kernel.h"

namespace etb {
namespace {

Status refuse(Args&) { return error(Code::unsupported, "copy to or from the memory of a device: there is none"); }

}  // namespace

ETB_KERNEL(h2d_copy, "et_copy::_h2d_copy.out", refuse);
ETB_KERNEL(d2h_copy, "et_copy::_d2h_copy.out", refuse);

}  // namespace etb
