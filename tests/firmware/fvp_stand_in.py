"""Fake FVP: reads the flags of the real one and prints a recorded console output of a firmware.

Controlled by the JSON file FVP_STAND_IN: {"console": file to print, "code": exit code, "hang": seconds, "child": file}.
Writes its arguments to "arguments". `hang` sleeps after printing; `child` starts a process that writes its id there.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

BANNER = b"\n    Fast Models [11.27.42]\n\nterminal: Listening for serial connection on port 5000\n"


def main() -> int:
    orders = json.loads(Path(os.environ["FVP_STAND_IN"]).read_text())
    Path(orders["arguments"]).write_text(json.dumps(sys.argv[1:]))
    words = iter(sys.argv[1:])
    elf = None
    for word in words:
        value = next(words, None)
        if word == "-a":
            elf = value
        elif word not in ("-C", "--timelimit") or value is None or (word == "-C" and "=" not in value):
            print(f"Error: unknown option {word}", file=sys.stderr)
            return 2
    if elf is None or not Path(elf).exists():
        print("Error: no application", file=sys.stderr)
        return 2
    if "child" in orders:
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        Path(orders["child"]).write_text(str(child.pid))
    sys.stdout.buffer.write(BANNER + Path(orders["console"]).read_bytes())
    sys.stdout.flush()
    time.sleep(orders.get("hang", 0))
    print("\nInfo: /OSCI/SystemC: Simulation stopped by user.")
    return int(orders.get("code", 0))


if __name__ == "__main__":
    sys.exit(main())
