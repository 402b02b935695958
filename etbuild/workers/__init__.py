"""Where a step's process comes from when it is not a fresh Python: the warm compile server."""
