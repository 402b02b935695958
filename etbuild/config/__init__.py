"""YAML files that people write: read with positions, checked against a JSON Schema, turned into typed sections. It
knows no key of any file.
"""
