// The whole of a firmware: load the model, run every test vector, print framed results.
#pragma once

namespace etb::app {

// Returns the exit code, after the end frame.
int run();

}  // namespace etb::app
