"""The command `etbuild`: tools for compiled models, the build cache, the compile server and the machine."""
