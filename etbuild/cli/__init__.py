"""The command `etbuild`: read-only tools beside the build."""
