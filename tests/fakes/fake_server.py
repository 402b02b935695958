"""The compile server with nothing to import first. Its clients send the steps of fake_module.py.

FAKE_WARM_UP: a line of Python that its replacement runs as warm-up after a moment's quiet; unset for no replacement.
FAKE_PRELOAD_S: how long its imports take, asleep; with FAKE_PRELOAD=busy they use the processor all that time.
FAKE_STANDBY: "never": no child is forked ahead; by default one is, on however small a machine.
"""

import os
import sys
import time

from etbuild.build_engine.server import children, server

warm_up = os.environ.get("FAKE_WARM_UP")
server.QUIET_S = 0.01
children.SPARE_BYTES = 1 << 62 if os.environ.get("FAKE_STANDBY") == "never" else 0
children.PROCESSORS = 8


def preload() -> None:
    seconds = float(os.environ.get("FAKE_PRELOAD_S", "0"))
    if os.environ.get("FAKE_PRELOAD") != "busy":
        time.sleep(seconds)
        return
    while time.process_time() < seconds:
        pass


sys.exit(server.run_server(preload, (lambda: exec(warm_up)) if warm_up else None))
