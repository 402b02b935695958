// Generated from etbuild/firmware/codes.py by `python -m etbuild.firmware.generate`; do not edit.
// The exit codes of a firmware. Simulators use 1 and 2 for themselves.
// clang-format off
#pragma once

namespace etb::app {

enum Exit : int {
    exit_done = 0,  // done
    exit_vectors = 10,  // the test vectors are damaged or for another model
    exit_model = 11,  // the model is damaged or needs what is not linked
    exit_memory = 12,  // the model does not fit
    exit_other = 13,  // the model is for another NPU, or data of it is missing
    exit_run = 14,  // an instruction of the program failed
    exit_npu = 15,  // the NPU is missing, does not answer or reported an error
    exit_fault = 20,  // an exception of the processor
    exit_stack = 21,  // the stack overflowed
};

}  // namespace etb::app
