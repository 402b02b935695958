"""The compile server's main program and its warm-up."""
