"""One thin module a kind of step: arguments in, files out. `kinds.py` is the table of all kinds."""
