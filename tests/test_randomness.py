"""Random bytes are given out once."""

import subprocess
import sys
import threading

from turnkeep.randomness import FETCHED_BYTES, draw_bits, draw_bytes


def test_no_bytes_are_given_out_twice() -> None:
    drawn = [draw_bytes(16) for _ in range(FETCHED_BYTES)]
    assert {len(each) for each in drawn} == {16}
    assert len(set(drawn)) == len(drawn)
    assert len(draw_bytes(3 * FETCHED_BYTES)) == 3 * FETCHED_BYTES


def test_numbers_fill_their_bits() -> None:
    for bits in (1, 60, 64, 80):
        drawn = [draw_bits(bits) for _ in range(200)]
        assert 0 <= min(drawn) < max(drawn) < 1 << bits
        assert max(drawn).bit_length() == bits


def test_another_thread_draws_others() -> None:
    drawn = [draw_bytes(16)]
    thread = threading.Thread(target=lambda: drawn.append(draw_bytes(16)))
    thread.start()
    thread.join()
    assert len({*drawn, draw_bytes(16)}) == 3


def test_a_forked_process_draws_others() -> None:
    program = (
        "import os; from turnkeep.randomness import draw_bytes; draw_bytes(1); child = os.fork();"
        "os.write(1, draw_bytes(16).hex().encode() + b' ');"
        "os.waitpid(child, 0) if child else None"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    one, other = done.stdout.split()
    assert one != other
