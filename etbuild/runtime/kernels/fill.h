// Setting every element of a tensor to one number.
#pragma once

#include "kernels/kernel.h"

namespace etb {

// The value is scalar argument i or `value`, converted to the tensor's type.
Status fill_with(Args& args, std::size_t i, const Tensor& out);
Status fill_with(double value, const Tensor& out);

}  // namespace etb
