"""A compile server's program that is stopped before it listens: `python -m stopped_server --socket PATH`."""

import os
import signal

os.kill(os.getpid(), signal.SIGSTOP)
