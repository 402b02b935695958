"""The Ethos-U command stream in Python: its table, decoder, disassembler and debug database, and the generator of the
C++ decode tables.
"""
