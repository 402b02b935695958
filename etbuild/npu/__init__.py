"""The Ethos-U command stream in Python: its table, a disassembler, and the generator of the C++ decode tables."""
