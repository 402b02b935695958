// The fast operations. Each executes an operation that was decoded and checked, or returns false and has done nothing.
#pragma once

#include "fast/kernels.h"
#include "npu/machine.h"

namespace etb::fast {

bool convolution(npu::Machine& machine, npu::Operation& operation, const Kernels& kernels);
bool depthwise(npu::Machine& machine, npu::Operation& operation, const Kernels& kernels);

// What maps one or two values of 8 bits to one of 8 bits, whatever their place. execute: the family's function.
bool mapped(npu::Machine& machine, npu::Operation& operation, npu::Verdict (*execute)(npu::Machine&, npu::Operation&));

}  // namespace etb::fast
