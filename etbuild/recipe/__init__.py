"""Recipes: files loaded, merged, checked and resolved to one `Recipe`. It imports no compiler."""
