// What the start-up code of a board calls where a program has a main of its own. Its value is the exit code.
#include "app/app.h"

int main();

int etb::app::run() { return main(); }
