"""Changes of float weights before they are quantised, each method in a file of its own."""
