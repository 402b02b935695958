"""Verification: expected outputs (golden), and the comparison of runs with them."""
