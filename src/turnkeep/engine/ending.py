"""End a child process that lives as long as its standard input: the embedded engine, the embedder."""

import subprocess

STOP_SECONDS = 5.0


def end_process(process: "subprocess.Popen[bytes]") -> None:
    """Close the process's standard input, which ends it, and wait; twice is as good as once."""
    assert process.stdin is not None
    try:
        process.stdin.close()
    except OSError:
        pass  # it is gone already
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
