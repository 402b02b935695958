"""A training function, which no test calls."""
