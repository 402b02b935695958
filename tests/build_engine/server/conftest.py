"""The running compile server that the tests of this folder share."""

from running_server import server

__all__ = ["server"]
