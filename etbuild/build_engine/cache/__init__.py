"""The action cache: outputs of steps by the content that they came from, local and remote."""
