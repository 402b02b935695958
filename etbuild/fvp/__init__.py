"""A stand-in for Arm's FVPs of Corstone-300: it takes their command lines and runs the image in QEMU, with the Ethos-U
beside it. It knows no recipe and no board.
"""
