// The exit codes of a firmware; etbuild/frames.py has the same table. 1 and 2 are left to simulators.
#pragma once

namespace etb::app {

enum Exit : int {
    exit_done = 0,
    exit_vectors = 10,  // the test vectors are damaged or for another model
    exit_model = 11,    // the .pte is damaged or needs what is not linked
    exit_memory = 12,   // the model does not fit
    exit_other = 13,    // compiled for another NPU, or data of it is missing
    exit_run = 14,      // an instruction of the program failed
    exit_npu = 15,      // the NPU is missing, does not answer, or reported an error
    exit_fault = 20,    // an exception of the core
    exit_stack = 21,    // the stack overflowed
};

}  // namespace etb::app
