// Operators of complex numbers: aten::_conj_physical, view_as_real_copy. A .pte has no complex tensors: its format has
// no number for them, and ExecuTorch refuses them when it loads a program. So both, as in ExecuTorch, refuse what they
// are called with. Tested by test_refused.py.
#include "kernels/kernel.h"

namespace etb {
namespace {

Status refuse(Args&) { return error(Code::mismatch, "operator takes complex numbers only"); }

}  // namespace

ETB_KERNEL(conj_physical, "aten::_conj_physical.out", refuse);
ETB_KERNEL(view_as_real_copy, "aten::view_as_real_copy.out", refuse);

}  // namespace etb
