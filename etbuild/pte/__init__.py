"""ExecuTorch's files without ExecuTorch: programs (.pte), bundles (.bpte), named data (.ptd) and the Vela streams in
them. It trusts no byte.
"""
