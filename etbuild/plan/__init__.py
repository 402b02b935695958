"""From recipes to steps, as data."""
