"""Expected outputs, and the comparison of what was computed with them."""
