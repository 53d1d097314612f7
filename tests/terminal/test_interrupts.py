import asyncio
import os
import signal

import pytest

from turnkeep.terminal.interrupts import Interrupts


def run_and_signal(number: int, *, heard: bool) -> tuple[bool, int | None]:
    """Send this process a signal while a task waits. Returns whether `heard_by` heard it, and what ended the task."""

    async def wait() -> tuple[bool, int | None]:
        interrupts = Interrupts()
        said = asyncio.Event()
        try:
            if heard:
                with interrupts.heard_by(said.set):
                    os.kill(os.getpid(), number)
                    await asyncio.wait_for(said.wait(), 10)
            else:
                os.kill(os.getpid(), number)
                await asyncio.sleep(10)
        except asyncio.CancelledError:
            return said.is_set(), interrupts.exit_status
        return said.is_set(), interrupts.ended_by

    return asyncio.run(wait())


def test_an_interrupt_goes_to_whoever_hears_it() -> None:
    assert run_and_signal(signal.SIGINT, heard=True) == (True, None)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_elsewhere_a_signal_ends_the_task_with_its_status(number: int) -> None:
    assert run_and_signal(number, heard=False) == (False, 128 + number)


def test_a_second_signal_does_not_interrupt_the_ending() -> None:
    async def work() -> str:
        interrupts = Interrupts()
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(0.05)  # time for the second signal to arrive, if it did harm
            assert interrupts.exit_status == 143
            return "kept"
        return "not interrupted"

    assert asyncio.run(work()) == "kept"
