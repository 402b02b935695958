"""The rules: a module each, with its condition, why it is exact, and what it saves.

A rule changes one place at a time. It leaves every tensor that keeps its name with the values that it had.
"""
