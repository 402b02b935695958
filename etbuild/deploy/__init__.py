"""Deployment: brings firmware onto a real board, starts it and reads what it prints, by ssh, a serial line, a debug
probe or programs of a vendor. It builds no firmware and judges no result."""
