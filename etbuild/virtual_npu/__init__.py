"""An Ethos-U beside an unmodified QEMU: its registers are trapped, its command streams are executed on the host.

It changes nothing of QEMU and of the firmware that runs in it.
"""
