"""Fakes a step's process: writes each output from its arguments and inputs, or misbehaves.

The JSON file FAKE_CONTROL has {step name: behaviour}. It appends the step's name to FAKE_RAN. Run by `executor` in
fake_project.py with the step as JSON.
"""

import hashlib
import json
import os
import signal
import sys
import time
from pathlib import Path


def content(path: Path) -> bytes:
    if path.is_dir():
        return b"".join(content(entry) for entry in sorted(path.iterdir()) if not entry.name.startswith("."))
    return path.read_bytes()


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def leave_open(path: Path, name: str) -> None:
    """Leave a process behind that has an output open until FAKE_CONTROL says otherwise."""
    with path.open("a"):
        if os.fork():
            return
        os.setsid()
        while json.loads(Path(os.environ["FAKE_CONTROL"]).read_text()).get(name) == "write on":
            time.sleep(0.02)
    os._exit(0)


def main() -> int:
    step = json.loads(sys.argv[1])
    control = json.loads(Path(os.environ["FAKE_CONTROL"]).read_text())
    behaviour = control.get(step["name"], "")
    with Path(os.environ["FAKE_RAN"]).open("a") as ran:
        ran.write(step["name"] + "\n")
    digest = hashlib.sha256("\0".join(step["argv"]).encode())
    for path in step["inputs"]:
        digest.update(content(Path(path)))
    text = "constant" if behaviour == "constant" else digest.hexdigest()
    if behaviour == "scheduler":
        text = os.environ.get("ETBUILD_SCHEDULER", "none")
    if behaviour == "wait":
        time.sleep(0.5)
    if behaviour == "talk":
        print("begins\n" + "x" * 5000, flush=True)
        while json.loads(Path(os.environ["FAKE_CONTROL"]).read_text()).get(step["name"]) == "talk":
            time.sleep(0.02)
        print("ends\nwithout a line end", end="")
    if behaviour == "nothing":
        return 0
    for number, path in enumerate(step["outputs"]):
        if path == step["depfile"]:
            imported = [name for name in control.get("imports", []) if Path(name).exists()]
            write(Path(path), json.dumps({"inputs": imported}))
        elif path.endswith(".json"):
            write(Path(path), json.dumps({"recipe": "", "fit": {}, "variants": [], "made by": text}))
        elif not Path(path).suffix:
            write(Path(path) / "0.bin", text)
        else:
            write(Path(path), text)
        if number == 0 and behaviour == "write on":
            leave_open(Path(path), step["name"])
        if number == 0 and behaviour == "fail":
            print("fake: cannot go on")
            return 1
        if number == 0 and behaviour == "lack":
            print("fake: no compiler")
            return 3
        if number == 0 and behaviour == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if number == 0 and behaviour == "hang":
            while json.loads(Path(os.environ["FAKE_CONTROL"]).read_text()).get(step["name"]) == "hang":
                time.sleep(0.02)
    return 0


if __name__ == "__main__":
    sys.exit(main())
