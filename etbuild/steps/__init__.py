"""One module a step: `step(...)` plans it (pure), `main(argv)` does it."""
