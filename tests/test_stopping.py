"""Work is broken off at once, by whatever event, and only by it."""

import asyncio
from collections.abc import Callable

import pytest

from turnkeep.stopping import Stop, run_until

EVENTS = pytest.mark.parametrize("make", [Stop, asyncio.Event])
Make = Callable[[], asyncio.Event]


@EVENTS
def test_work_that_ends_by_itself_is_not_cancelled(make: Make) -> None:
    async def main() -> list[str]:
        done: list[str] = []

        async def work() -> None:
            await asyncio.sleep(0)
            done.append("work")

        stop = make()
        await run_until(stop, work())
        stop.set()
        await asyncio.sleep(0)
        return done

    assert asyncio.run(main()) == ["work"]


@EVENTS
def test_a_stop_breaks_a_wait_off_and_lets_it_end_first(make: Make) -> None:
    async def main() -> tuple[list[str], int]:
        done: list[str] = []

        async def work() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)
                done.append("closed")

        stop = make()
        asyncio.get_running_loop().call_soon(stop.set)
        await run_until(stop, work())
        task = asyncio.current_task()
        assert task is not None
        return done, task.cancelling()

    assert asyncio.run(main()) == (["closed"], 0)


@EVENTS
def test_nothing_is_done_after_a_stop(make: Make) -> None:
    async def main() -> list[str]:
        done: list[str] = []

        async def work() -> None:
            done.append("begun")

        stop = make()
        stop.set()
        await run_until(stop, work())
        return done

    assert asyncio.run(main()) == []


@EVENTS
def test_a_stop_from_within_the_work_breaks_it_off_where_it_waits_next(make: Make) -> None:
    async def main() -> list[str]:
        done: list[str] = []
        stop = make()

        async def work() -> None:
            stop.set()
            done.append("after")
            await asyncio.Event().wait()

        await run_until(stop, work())
        await asyncio.sleep(0)
        return done

    assert asyncio.run(main()) == ["after"]


@EVENTS
def test_what_the_work_raises_is_raised(make: Make) -> None:
    async def main() -> None:
        async def work() -> None:
            raise ValueError("broke")

        await run_until(make(), work())

    with pytest.raises(ValueError, match="broke"):
        asyncio.run(main())


@EVENTS
def test_an_error_while_it_is_broken_off_is_raised_and_nothing_stays_cancelled(make: Make) -> None:
    async def main() -> None:
        async def work() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                raise ValueError("while closing")

        stop = make()
        asyncio.get_running_loop().call_soon(stop.set)
        with pytest.raises(ValueError, match="while closing"):
            await run_until(stop, work())
        await asyncio.sleep(0)  # would raise what stayed

    asyncio.run(main())


@EVENTS
def test_a_cancellation_by_others_goes_on(make: Make) -> None:
    async def main() -> None:
        stop = make()

        async def work() -> None:
            await asyncio.Event().wait()

        task = asyncio.create_task(run_until(stop, work()))
        await asyncio.sleep(0)
        stop.set()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
