"""Stands for a model; nothing here imports it."""
