"""The Python that builds firmware images, runs them in simulators and reads what they print."""
