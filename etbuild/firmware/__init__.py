"""Firmware: builds images, runs them in simulators, and reads the results that they print."""
