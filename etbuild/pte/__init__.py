"""ExecuTorch's files without ExecuTorch: programs (.pte), bundles (.bpte), named data (.ptd), and the streams of Vela
in their delegates, both read and written. Every byte is untrusted until it is checked; nothing is executed.
"""
