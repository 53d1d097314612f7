"""The embedded engine's own process: llama.cpp's server, until its parent lets go.

Run as a script by embedded.py, and imports nothing of turnkeep. The first line of standard
input says what to serve (a key has no place among a process's arguments, which all can
read); its end ends the process, so that the engine never outlives the program. The first
line of standard output that begins with {"address" says where it listens.
"""

import json
import os
import signal
import sys
import threading
import time
from typing import Any

PARENT_CHECK_SECONDS = 1.0


def main() -> None:
    """Serve until standard input ends or the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the chat, not for its engine
    spec = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_input, daemon=True).start()
    try:
        server = _serve(spec)
    except Exception as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        sys.exit(1)  # in order, so that llama.cpp's log comes out first
    sys.stdout.write(json.dumps({"address": server.listening_address}) + "\n")
    sys.stdout.flush()
    os.dup2(2, 1)  # nobody reads standard output from here on; what is logged goes the other way
    _wait_for_parent(os.getppid())
    os._exit(0)  # at once, whatever the server is doing


def _serve(spec: dict[str, Any]) -> Any:  # Any: JSON of embedded.py's making; an object of an untyped package
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model_alias = {spec.pop("alias")}
    for name, value in spec.items():
        owner, *rest = name.split(".")
        if rest:
            setattr(getattr(params, owner), rest[0], value)
        else:
            setattr(params, owner, value)
    return xllamacpp.Server(params)


def _end_with_input() -> None:
    # Not through the buffer: Python could not end in order while a thread waits in it.
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os._exit(0)


def _wait_for_parent(parent: int) -> None:
    """Return when the parent is gone: a process that it forked may hold our standard input open."""
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK_SECONDS)


if __name__ == "__main__":
    main()
