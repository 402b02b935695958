"""Lint: what in a model and its recipe costs time, memory or accuracy before it is compiled, with patches and what they
bring. It changes no file of the user.
"""
