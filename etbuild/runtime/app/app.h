// The application of a firmware: loads the model, runs every test vector and prints the results as frames.
#pragma once

namespace etb::app {

// Returns the exit code (app/exit.h), after sending the end frame.
int run();

}  // namespace etb::app
