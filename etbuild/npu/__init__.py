"""The Ethos-U command stream in Python: its table, decoder, assembler and disassembler, Vela's debug database, and the
generator of the C++ decode tables. It executes no stream: the emulator is in runtime/npu.
"""
