"""NPUs, targets and boards as data, with their YAML files. It compiles nothing."""
