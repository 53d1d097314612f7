"""The built-in embedder's own process: reads texts, writes vectors, until its parent lets go.

A process of its own, because the model's memory goes with it, its one thread of arithmetic
can be set before numpy is imported, and nothing of the program waits meanwhile.

    in    {"texts": ["...", ...]}            a line of JSON
    out   {"vectors": 2, "bytes": 384}       a line of JSON, then that many vectors of so many bytes
"""

import json
import os
import sys
from pathlib import Path


def main(folder: str) -> None:
    """Serve until standard input ends."""
    # Two threads would spin against each other, and against the chat's engine, on a busy machine.
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
        os.environ[name] = "1"
    out = sys.stdout.buffer
    try:
        from .minilm import MiniLM

        model = MiniLM(Path(folder))
    except Exception as error:  # said to the parent, whose sentence it becomes
        out.write(json.dumps({"error": f"{type(error).__name__}: {error}"}).encode() + b"\n")
        raise
    out.write(json.dumps({"ready": model.dimensions}).encode() + b"\n")
    out.flush()
    for line in sys.stdin.buffer:
        vectors = model.pack(json.loads(line)["texts"])
        out.write(json.dumps({"vectors": len(vectors), "bytes": len(vectors[0])}).encode() + b"\n")
        out.write(b"".join(vectors))
        out.flush()


if __name__ == "__main__":
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the chat
    main(sys.argv[1])
